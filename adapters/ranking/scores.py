"""What a ranker is worth on questions that training did not see."""

from collections.abc import Sequence

import numpy as np

from adapters.asked import Asked
from adapters.ranking.ranker import Ranker

RIVALS = 2
# The share of the questions that can be answered which the proposed bound lets through.
LET_THROUGH = 0.98


def scores_of(asked: Sequence[Asked], ranker: Ranker) -> dict[str, float]:
    """How often the right passage comes before the two nearest others; how well the best passage's log-odds tell
    questions with an answer from those without (area under the curve); the bound for `ranker.min_log_odds`.

    What cannot be told without questions of both kinds is left out.
    """
    answerable = [odds_of(one, ranker) for one in asked if one.answering]
    near, far = (
        np.array([max(odds) for odds in some])
        for some in (answerable, [odds_of(one, ranker) for one in asked if not one.answering])
    )
    scores = {}
    if len(near):
        scores["first"] = round(float(np.mean([odds[0] == max(odds) for odds in answerable])), 3)
        scores["bound"] = round(float(np.quantile(near, 1 - LET_THROUGH)), 2)
    if len(near) and len(far):
        scores["answerable, area"] = round(float((near[:, None] > far).mean()), 3)
    return scores


def odds_of(one: Asked, ranker: Ranker) -> list[float]:
    """Of the right passage, where there is one, and of the nearest others."""
    passages = [*([one.answering] if one.answering else ()), *one.others[:RIVALS]]
    return ranker.log_odds(one.question, passages)
