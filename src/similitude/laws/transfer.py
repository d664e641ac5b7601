"""Transfer and fine-tuning: effective data, joint laws, loss to loss, translation."""

from __future__ import annotations

from similitude._quantity import COUNT, NATS_PER_TOKEN, PARAMETERS, TOKENS, Unit
from similitude.laws._application import application
from similitude.laws._law import Law, law, paper, published
from similitude.laws._words import below_input, below_output, exponent, positive, scale_of
from similitude.laws.power import power_floor
from similitude.math import log

__all__ = [
    "bleu_log_power",
    "data_transferred",
    "fine_tuning_additive",
    "fine_tuning_joint",
    "kaplan_with_floor",
    "loss_to_loss",
    "transfer_low_data",
    "tuned_task_loss",
]

CHARACTERS = Unit("characters", "training characters")
EXAMPLES = Unit("examples", "fine-tuning examples")
BLEU = Unit("BLEU", "translation score")


@law(
    inputs={"D_F": CHARACTERS, "N": PARAMETERS},
    output=CHARACTERS,
    params={"k": positive(), "alpha": exponent(0.1, 0.2, 0.5), "beta": exponent(0.2, 0.4, 0.6)},
    source=paper("hernandez2021", where="eq. 1.1"),
    published=[
        published(
            "hernandez2021-text",
            source="hernandez2021",
            where="table 1, text to Python",
            counts="without embeddings",
            k="1.9e4",
            alpha="0.18",
            beta="0.38",
        ),
        published(
            "hernandez2021-code",
            source="hernandez2021",
            where="table 1, text and code to Python",
            counts="without embeddings",
            k="2.1e5",
            alpha="0.096",
            beta="0.38",
        ),
    ],
    counts="without embeddings",
    title="effective data transferred",
    validity="Low-data regime: fine-tuning data below a tenth of what would reach the infinite-data loss.",
    span={"D_F": (1e5, 1e9), "N": (1e6, 1e9)},
)
def data_transferred(D_F, N, *, k, alpha, beta):
    """Pre-training is worth as much as k D_F^alpha N^beta further characters of the target data.

    Use it to ask what pre-training saves: the multiplier is 1 + D_T / D_F. Trap: with much fine-tuning data a small
    pre-trained model can do worse than one from scratch, which this cannot show.
    """
    return k * D_F**alpha * N**beta


@law(
    inputs={"D_F": CHARACTERS, "N": PARAMETERS},
    output=NATS_PER_TOKEN,
    params={
        "N_c": scale_of("N", 1e2, 1e5),
        "alpha_N": exponent(0.05, 0.1),
        "D_c": positive(1e10, 1e13),
        "alpha_D": exponent(0.1, 0.2),
        "k": positive(1e3, 1e5),
        "alpha": exponent(0.1, 0.3),
        "beta": exponent(0.2, 0.4),
    },
    source=paper("hernandez2021", where="section 2.3"),
    example={"N_c": 6.4e13, "alpha_N": 0.076, "D_c": 1.8e13, "alpha_D": 0.103, "k": 1.9e4, "alpha": 0.18, "beta": 0.38},
    degenerate=("D_c", "k"),
    counts="without embeddings",
    title="fine-tuning loss in the low-data regime",
    validity="The example joins constants of two papers and is only an illustration.",
    span={"D_F": (1e5, 1e9), "N": (1e6, 1e9)},
)
def transfer_low_data(D_F, N, *, N_c, alpha_N, D_c, alpha_D, k, alpha, beta):
    """Kaplan's law with the data that pre-training is worth in place of the data given.

    Use it for the loss after fine-tuning on little data. Trap: only D_c / k is determined.
    """
    return ((N_c / N) ** (alpha_N / alpha_D) + D_c / (k * D_F**alpha * N**beta)) ** alpha_D


@law(
    inputs={"X": COUNT, "D_f": EXAMPLES},
    output=NATS_PER_TOKEN,
    params={"A": positive(), "alpha": exponent(0.05, 0.2), "beta": exponent(0.05, 0.2), "E": below_output()},
    source=paper("zhang2024", where="eq. 1"),
    example={"A": 60.0, "alpha": 0.15, "beta": 0.12, "E": 0.6},
    title="fine-tuning, multiplicative",
    validity="X is model size, pre-training tokens or size of the tuned part; E and beta are shared among them.",
    span={"X": (1e8, 2e10), "D_f": (1e3, 1e7)},
)
def fine_tuning_joint(X, D_f, *, A, alpha, beta, E):
    """Loss after fine-tuning: a product of a power of the scaled factor X and one of fine-tuning data.

    Use it to choose a method or a base model for a number of examples: equate two of them for the critical data. Trap:
    the product has no floor in either factor alone, only E.
    """
    return A * X**-alpha * D_f**-beta + E


@law(
    inputs={"X": COUNT, "D_f": EXAMPLES},
    output=NATS_PER_TOKEN,
    params={
        "A": positive(),
        "alpha": exponent(0.1, 0.3),
        "B": positive(),
        "beta": exponent(0.1, 0.3),
        "E": below_output(),
    },
    source=paper("zhang2024", where="the additive rival"),
    example={"A": 60.0, "alpha": 0.25, "B": 3.0, "beta": 0.2, "E": 0.6},
    title="fine-tuning, additive",
    span={"X": (1e8, 2e10), "D_f": (1e3, 1e7)},
)
def fine_tuning_additive(X, D_f, *, A, alpha, B, beta, E):
    """Loss after fine-tuning: a power of the scaled factor X plus one of fine-tuning data above a floor.

    Use it as the rival of `fine_tuning_joint`, which forecast better in the paper. Trap: with one size of data the two
    cannot be told apart.
    """
    return E + A / X**alpha + B / D_f**beta


@law(
    inputs={"D_p": TOKENS},
    output=BLEU,
    params={"A": positive(1.0, 10.0), "alpha": exponent(0.1, 0.3, 0.6), "beta": exponent(0.5, 1.0, 2.0)},
    source=paper("isik2024", where="eq. 1"),
    example={"A": 1.5, "alpha": 0.5, "beta": 1.5},
    title="translation score against pre-training data",
    validity="Pre-training data aligned with the task, and A D_p^alpha above 1.",
    span={"D_p": (1e7, 1e11)},
)
def bleu_log_power(D_p, *, A, alpha, beta):
    """BLEU after fine-tuning is a power of the logarithm of a power of pre-training tokens.

    Use it for translation scores; that it does not fit is a sign of pre-training data unlike the task's. Trap: scores
    can fall while cross-entropy falls; one curve of few points hardly determines A, alpha and beta apart.
    """
    return log(A * D_p**alpha) ** beta


isik_loss = application(
    power_floor,
    name="isik_loss",
    inputs={"x": ("D_p", TOKENS)},
    output=NATS_PER_TOKEN,
    source=paper("isik2024", where="eq. 2"),
    title="downstream cross-entropy against pre-training data",
    doc="""Cross-entropy after fine-tuning falls as a power of pre-training tokens to a floor.

    Use it beside `bleu_log_power`. Trap: it falls smoothly even where the score does not rise, when the pre-training
    data are not aligned with the task.
    """,
    family="transfer",
    example={"E": 1.5, "a": 400.0, "c": 0.3},
    span={"D_p": (1e8, 1e11)},
)


@law(
    inputs={"L0": NATS_PER_TOKEN},
    output=NATS_PER_TOKEN,
    params={
        "K": positive(0.5, 1.0, 2.0),
        "E0": below_input("L0", 0.3, 0.6),
        "kappa": exponent(0.7, 1.0, 1.3),
        "E1": below_output(),
    },
    source=paper("brandfonbrener2024", where="eq. 4"),
    example={"K": 1.1, "E0": 2.0, "kappa": 0.9, "E1": 1.6},
    title="loss to loss",
    validity="Two data sets, pairs of models of equal size and tokens; floors from each one's own law.",
    span={"L0": (2.3, 4.5)},
)
def loss_to_loss(L0, *, K, E0, kappa, E1):
    """The loss of one model predicts that of another: a power law between the two reducible parts.

    Use it to carry a law from one data set to another by a few paired models. Trap: E0 and E1 decide near the floor;
    fix them at the floors of laws fitted to each data set. E0 must lie below every L0.
    """
    return K * (L0 - E0) ** kappa + E1


def _paired(name: str, inputs: str, words: str) -> Law:
    return application(
        loss_to_loss,
        name=name,
        inputs={"L0": (inputs, NATS_PER_TOKEN)},
        source=paper("brandfonbrener2024", where=f"{words} relation"),
        title=f"{words} loss to loss",
        doc=f"""A shifted power law between losses, {words}.

        Use it with pairs of models of the same size and tokens. Trap: floors must come from elsewhere, and pairs far
        above both floors determine only a slope.
        """,
        family="transfer",
    )


loss_train_to_train = _paired("loss_train_to_train", "L_train", "train to train")
loss_train_to_test = _paired("loss_train_to_test", "L_own", "train to test")
loss_test_to_test = _paired("loss_test_to_test", "L_test", "test to test")


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": scale_of("N", 1e-2, 1.0, 1e2),
        "alpha": exponent(0.2, 0.5),
        "B": scale_of("D", 1e-2, 1.0, 1e2),
        "beta": exponent(0.2, 0.5),
    },
    source=paper("brandfonbrener2024", where="eq. 1"),
    example={"E": 2.2, "A": 2e7, "alpha": 0.4, "B": 5e8, "beta": 0.45},
    title="Kaplan's form with a floor",
    span={"N": (1e7, 5e9), "D": (1e9, 1e11)},
)
def kaplan_with_floor(N, D, *, E, A, alpha, B, beta):
    """Kaplan's joint form above an irreducible loss.

    Use it where both scales limit at once and a floor is wanted; the family `nested` contains it. Trap: alpha is the
    exponent of size only through alpha / beta inside the bracket.
    """
    return E + ((A / N) ** (alpha / beta) + B / D) ** beta


tuned_task_loss = application(
    power_floor,
    name="tuned_task_loss",
    inputs={"x": ("N", PARAMETERS)},
    output=NATS_PER_TOKEN,
    source=paper("ivgi2022", where="section 4"),
    title="task loss after fine-tuning",
    doc="""The loss of a fine-tuned task falls as a power of pretrained size, from ten thousand parameters on.

    Use it to choose between recipes by models of under ten million parameters. Trap: it holds for some tasks only, and
    needs three to five seeds and tuned rates at every size. The example is made up.
    """,
    family="transfer",
    example={"E": 0.3, "a": 12.0, "c": 0.2},
    span={"N": (1e4, 1e7)},
)
