"""What an interleaved experiment's figures say beside its sentence, the same in the terminal and on the page."""

from service.experiments.preference import PreferenceReport
from service.experiments.wording import NONE, between, chance, count


def notes(report: PreferenceReport) -> list[str]:
    second = report.sides[1].name
    share, look = report.share, report.one_look
    exact = f"{share:.3f} ({look.low:.3f} to {look.high:.3f}; sign test, p {chance(look.p)})" if look else NONE
    return [
        f"{count(report.answers, 'answer')} of {count(report.users, 'user')} in {report.days:.1f} days. "
        "Each answer counts once: who asks much weighs much.",
        f"Lead of {second} over all answers, at any look: {between('lead', report.always_valid)}.",
        f"Its share of the wins, ties left out, at one look: {exact}.",
        f"Wins turned round because a person called the evidence wrong: {report.turned}. "
        f"Ties without a draft, since both found the same, or one of them nothing: {report.undrafted}.",
        "A win is more citations: what a model likes to cite, such as a longer passage, wins more often. How good "
        "answers from one search alone are takes an experiment that is not interleaved, or an evaluation.",
    ]
