"""TAID: the target moves from the student's own words to the teacher's."""

from __future__ import annotations

from limbeck.errors import LimbeckError
from limbeck.systems.findings import Findings, Role
from limbeck.systems.lab import Lab, Split
from limbeck.systems.language.arms import Arm, Budget, logits
from limbeck.systems.language.examples import Splits, all_words
from limbeck.systems.language.measures import TEACHER_NLL
from limbeck.systems.language.models import Shape
from limbeck.systems.language.teachers import Teacher, long_budget, own_start
from limbeck.systems.language.training import Job, run_all
from limbeck.systems.options import at_least, more_than
from limbeck.systems.registry import system
from limbeck.world.language import Language

TAID = {"name": "taid", "t_start": 0.4}
"""The start, of 0, 0.2, 0.4, 0.6 and 0.8, steps and learning rate were chosen on validation texts."""
ARMS = (
    Arm("teacher", "teacher", "teacher"),
    Arm("ce", "cross-entropy", "baseline", cross_entropy=1.0, description="the data's words, no teacher"),
    Arm("forward-kl", "forward KL", "baseline", logits("forward_kl")),
    Arm("reverse-kl", "reverse KL", "baseline", logits("reverse_kl")),
    Arm("js", "Jensen-Shannon", "baseline", logits("generalized_js", beta=0.5)),
    Arm("skewed-forward-kl", "skewed forward KL", "baseline", logits("skewed_forward_kl", skew=0.1)),
    Arm("taid", "TAID", "method", TAID),
    Arm("taid-linear", "TAID, linear", "ablation", {**TAID, "adaptive": False}),
    Arm(
        "taid-fixed",
        "TAID, t = 0.5",
        "ablation",
        {**TAID, "adaptive": False, "t_start": 0.5, "t_end": 0.5},
        description="the target stays half-way",
    ),
)


@system(
    slug="taid",
    title="TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in Language Models",
    year=2025,
    arxiv="2501.16937",
    domain="language",
    needs=("logits",),
    claim="A target that moves from the student to the teacher bridges a gap that fixed divergences do not.",
)
def taid(
    lab: Lab,
    *,
    steps: int | None = None,
    width: int = 16,
    teacher_widths: tuple[int, ...] = (32, 96),
    lr: float = 2e-2,
    pretrain: int | None = None,
    judged_by: Split = "test",
    workers: int | None = None,
) -> Findings:
    """A two-layer GPT teaches a one-layer GPT of a sixth of its width, by a target between the two.

        target = softmax((1 - t) stopgrad(z_S) + t z_T),   loss = -sum target log q_S

    t begins at 0.4, never falls, follows a straight line to 1 at least, and grows faster while the loss falls:
    m = 0.99 m + 0.01 (relative fall of the loss), t += 5e-4 sigmoid(m) (1 - t).

    All students begin as the same one, trained on the texts alone for `--pretrain` steps, as the paper's are language
    models before: from random weights (`--pretrain 0`) bounded divergences hardly teach the words that a student does
    not expect.

    Both write texts of the world's language. Averaging over what the student cannot tell apart shows as samples that
    are no sentences, collapse as fewer modes (topics with settings). Smaller teachers, of `--teacher-widths` but the
    last, teach by forward KL and by TAID for the claim that TAID's student gains from a larger teacher.

    Claims and numbers of the paper are from memory, its mechanism from the released code; the scale is ours.
    """
    at_least(1, steps=steps)
    more_than(0, lr=lr)
    if not teacher_widths or len(set(teacher_widths)) < len(teacher_widths):
        raise LimbeckError(f"--teacher-widths: got {list(teacher_widths)}, expected at least one, none of them twice")
    language = Language()
    splits = corpus(lab, language)
    budget = Budget(lab.pick(smoke=6, default=1200, full=4000) if steps is None else steps, lr=lr)
    teachers = [
        Teacher(f"language-{size}", Shape(size, layers=2, heads=4), splits, long_budget(lab), lab.cache, lab.device)
        for size in teacher_widths
    ]
    before = lab.pick(smoke=4, default=500, full=4000) if pretrain is None else pretrain
    start = own_start(lab, "language", Shape(width), splits, before)
    findings = Findings()
    samples = lab.pick(smoke=10, default=4000, full=4000)

    def job(arm: Arm, seed: int, teacher: Teacher) -> Job:
        return Job(arm, seed, Shape(width), splits, budget, language, teacher, samples, judged_by, start)

    jobs = [job(arm, seed, teachers[-1]) for seed in lab.seeds for arm in ARMS]
    smaller = [(_of(arm, teacher), teacher) for teacher in teachers[:-1] for arm in ARMS if arm.name in _BY_SIZE]
    jobs += [job(arm, seed, teacher) for seed in lab.seeds for arm, teacher in smaller]
    run_all(lab, findings, jobs, workers)
    _claims(findings, [f"taid-of-{teacher.shape.width}" for teacher in teachers[:-1]])
    return findings


_BY_SIZE = ("teacher", "forward-kl", "taid")


def corpus(lab: Lab, language: Language) -> Splits:
    """Texts of the language, more than the students see in one pass."""
    train = lab.pick(smoke=100, default=12_000, full=100_000)
    held_out = lab.pick(smoke=20, default=500, full=2000)
    return Splits(
        all_words(language.sequences("train", count=train)),
        all_words(language.sequences("val", count=held_out)),
        all_words(language.sequences("test", count=held_out)),
        language.vocabulary,
    )


def _of(arm: Arm, teacher: Teacher) -> Arm:
    """The same arm with a smaller teacher."""
    size = teacher.shape.width
    role: Role = "teacher" if arm.role == "teacher" else "ablation"
    return Arm(f"{arm.name}-of-{size}", f"{arm.title}, width {size}", role, arm.method, description="smaller teacher")


def _claims(findings: Findings, smaller: list[str]) -> None:
    likelier = "the teacher finds what TAID writes likelier than what forward KL does"
    findings.claim_all(
        ("TAID writes more valid texts than forward KL (less averaging)", "taid", "forward-kl", "valid"),
        (likelier, "taid", "forward-kl", TEACHER_NLL.name),
        ("TAID covers more modes than reverse KL (less collapse)", "taid", "reverse-kl", "modes"),
        ("TAID is closer to the teacher than reverse KL", "taid", "reverse-kl", "KL to the teacher"),
        ("TAID predicts held-out texts better than training on them alone", "taid", "ce", "NLL"),
        ("an adaptive t is no worse than a linear one (NLL)", "taid", "taid-linear", "NLL", -0.01),
        ("t must move (NLL)", "taid", "taid-fixed", "NLL"),
        *(("a larger teacher makes a better student with TAID (valid)", "taid", arm, "valid") for arm in smaller),
    )
