"""How an encoder is taught, whatever it is made of: by what careful readers marked, and by what a teacher sees.

A teacher reads what nobody labelled, and its pupil learns its chances (Hinton et al. 2015, "Distilling the Knowledge in a Neural
Network"; Furlanello et al. 2018, "Born-Again Neural Networks", where the pupil is of its teacher's kind). Much text is what an
encoder needs: it knows a small one by heart, and reads strangers no better for it.
"""

import math
import random
from typing import NamedTuple

import numpy as np

from pipeline.encoders import SLOTS
from pipeline.model import JUDGED
from pipeline.tables import SENTIMENTS, TREATMENTS
from pipeline.tag import name_treatments

SEED = 20261101
EVIDENCE_WEIGHT = 0.5  # how much the place of the evidence counts beside the label
AT_ONCE = 512  # texts a teacher reads at once


class Lesson(NamedTuple):
    """A window as a network takes it, what a careful reader marked in it, and what a teacher sees: one of these at least."""

    window: object
    goal: dict | None
    chances: dict | None


def chances_of(teacher, texts, questions, taxonomy):
    """What the teacher sees in some texts: a dict of chances a text."""
    mentions, found = [name_treatments(text, taxonomy) for text in texts], []
    for at in range(0, len(texts), AT_ONCE):
        part = slice(at, at + AT_ONCE)
        seen = teacher.read(texts[part], questions[part], mentions[part])
        for which, named in enumerate(mentions[part]):
            chances = {name: getattr(seen, name)[which].astype(np.float32) for name in JUDGED}
            found.append(chances | {"named": np.array([treatment in named for treatment in TREATMENTS], np.float32)})
    return found


def agreed(one, other):
    """The chances of two teachers as one's."""
    return [
        {name: (chance + other_chances[name]) / 2 for name, chance in chances.items()}
        for chances, other_chances in zip(one, other, strict=True)
    ]


def loss_of(scores, weights, targets):
    """The sum of what went wrong on every question asked."""
    import torch
    from torch.nn import functional as F

    def yes_no(name, weight=None):
        asked = targets[name] >= 0
        if not asked.any():
            return 0.0
        return F.binary_cross_entropy_with_logits(scores[name][asked], targets[name][asked], pos_weight=weight)

    def one_of(name, classes):
        flat = targets[name].reshape(-1)
        if (flat < 0).all():
            return 0.0
        return F.cross_entropy(scores[name].reshape(-1, classes), flat, ignore_index=-1, label_smoothing=0.05)

    marked_slots = targets["evidence"].sum(-1) > 0
    mass = (weights * targets["evidence"]).sum(-1)[marked_slots]
    place = -torch.log(mass + 1e-4).mean() if len(mass) else 0.0
    return (
        4 * yes_no("theme")
        + 2 * one_of("sentiment", len(SENTIMENTS))
        + 1.5 * one_of("overall", len(SENTIMENTS))
        + yes_no("escalate", torch.tensor(3.0))
        + 0.5 * yes_no("mention")
        + 0.7 * yes_no("received")
        + one_of("outcome", len(SENTIMENTS) + 1)
        + EVIDENCE_WEIGHT * place
    )


def loss_of_chances(scores, chances):
    """How far a network is from what its teacher saw."""
    from torch.nn.functional import binary_cross_entropy_with_logits as yes_no

    def one_of(name, chance):
        return -(chance * scores[name].log_softmax(-1)).sum(-1)

    spoken, named = chances["presence"], chances["named"]
    loss = (
        4 * yes_no(scores["theme"], spoken)
        + 2 * (one_of("sentiment", chances["sentiment"]) * spoken).sum() / spoken.sum().clamp(min=1)
        + 1.5 * one_of("overall", chances["overall"]).mean()
        + yes_no(scores["escalate"], chances["escalate"])
        + 0.5 * yes_no(scores["mention"], chances["mention"])
    )
    if named.sum() > 0:
        received = yes_no(scores["received"], chances["received"], reduction="none")
        outcome = one_of("outcome", chances["outcome"].roll(-1, -1)).mean(
            -1
        )  # "absent" comes last in a network's own head
        loss = loss + ((0.7 * received + outcome) * named).sum() / named.sum()
    return loss


def loss_of_lessons(scores, weights, group):
    """How far a network is from what it should have said of some windows: from the marks in those that have any, and from the
    chances of those that have any."""
    import torch

    loss = 0.0
    told = [at for at, lesson in enumerate(group) if lesson.chances is not None]
    if told:
        soft = {name: torch.from_numpy(np.stack([group[at].chances[name] for at in told])) for name in group[told[0]].chances}  # fmt: skip
        loss = loss_of_chances({name: score[told] for name, score in scores.items()}, soft) * len(told) / len(group)
    marked = [at for at, lesson in enumerate(group) if lesson.goal is not None]
    if marked:
        hard = targets_of([group[at].goal for at in marked], weights.shape[-1])
        hard = loss_of({name: score[marked] for name, score in scores.items()}, weights[marked], hard)
        loss = loss + hard * len(marked) / len(group)
    return loss


def shortest_first(items, batch, order):
    """Items, each beginning with a window, in groups of so many: neighbours of like length share one, groups come in any order."""
    items = list(items)
    order.shuffle(items)
    stretches = [
        sorted(items[at : at + batch * 20], key=lambda item: len(item[0].ids))
        for at in range(0, len(items), batch * 20)
    ]
    groups = [stretch[at : at + batch] for stretch in stretches for at in range(0, len(stretch), batch)]
    order.shuffle(groups)
    return groups


def targets_of(goals, width):
    """The targets of some windows as tensors, evidence padded to so many tokens."""
    import torch

    targets = {
        key: torch.from_numpy(np.stack([goal[key] for goal in goals]))
        for key in goals[0]
        if key not in ("overall", "evidence")
    }
    targets["overall"] = torch.tensor([goal["overall"] for goal in goals])
    evidence = np.zeros((len(goals), len(SLOTS), width), np.float32)
    for row, goal in enumerate(goals):
        evidence[row, :, : goal["evidence"].shape[1]] = goal["evidence"]
    targets["evidence"] = torch.from_numpy(evidence)
    return targets


def teach(network, lessons, many, inputs, optimiser, *, epochs, batch, warm_up, tell):
    """The network, taught. lessons(epoch, order): so `many` lessons of an epoch. inputs(windows): the network's tensors.
    tell(message) is called once an epoch."""
    import torch

    order = random.Random(SEED)
    steps = epochs * math.ceil(many / batch)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (warm_up * steps), max(0.0, (steps - step) / (steps * (1 - warm_up))))
    )
    network.train()
    for epoch in range(epochs):
        groups = shortest_first(lessons(epoch, order), batch, order)
        total = 0.0
        for group in groups:
            vectors, weights = network(*inputs([lesson.window for lesson in group]))
            loss = loss_of_lessons(network.scores(vectors), weights, group)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            scheduler.step()
            total += float(loss.detach())
        tell(f"epoch {epoch + 1} of {epochs}: loss {total / len(groups):.3f}")
    return network.eval()


def share_of(others, epoch, share):
    """The lessons of an epoch out of many: so many, the next ones every time, and after the last the first again."""
    many = len(others)
    return [others[(epoch * share + at) % many] for at in range(min(share, many))]
