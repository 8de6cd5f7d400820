"""From a verdict to a decision: what a finding, or an operator's word, puts into its fields."""

from propolis.decisions.decision import Decision, Target, decision_id, target_of
from propolis.decisions.guards import OPERATOR, POLICY, Proposal, Stopped, Verdict
from propolis.findings import Finding, finding_id

MAX_TEXT = 300
"""Characters of a reason, a name or a target as it was written; a title may quote an attacker."""


def source_of(finding: Finding) -> Target | Stopped:
    """A finding is acted on against its source: one address (IPv6: a /128), never a prefix."""
    if not finding.id:
        return Stopped("syntax", "the finding has no id")
    try:
        target = target_of(finding.source)
    except ValueError:
        return Stopped("syntax", "the source is not an address")
    return target if target.kind == "address" else Stopped("syntax", "the source is not one address")


def by_policy(
    finding: Finding, target: Target, verdict: Verdict, until: int, step: int, *, now: int
) -> Decision:
    """What the verdict lets the policy do about a finding. The id comes from the finding: a replay gives it again."""
    remarks = "".join(f"; {remark.guard}: {remark.reason}" for remark in verdict.remarks)
    return Decision(
        id=decision_id(finding.id, target, finding.found),
        target=target,
        action=verdict.action,
        state=verdict.state,
        since=now,
        until=until,
        reason=printable(
            f"{finding.grade} by {finding.rule}, confidence {finding.confidence}{remarks}: {finding.title}"
        ),
        finding=finding.id,
        rule=finding.rule,
        grade=finding.grade,
        confidence=finding.confidence,
        evidence_class=finding.evidence_class,
        first_packet=finding.first_seen,
        found=finding.found,
        decided=now,
        by=POLICY,
        scope=verdict.scope,
        step=step,
    )


def by_operator(proposal: Proposal, note: str, until: int, reason: str, by: str, *, now: int) -> Decision:
    """What an operator asked for. There is no evidence: t0, t1 and t2 are the moment of the request."""
    return Decision(
        id=decision_id(note, proposal.target, now),
        target=proposal.target,
        action=proposal.action,
        state="active",
        since=now,
        until=until,
        reason=given(reason),
        finding=note,
        rule=OPERATOR,
        grade="confirmed",
        confidence=100,
        evidence_class=proposal.evidence_class,
        first_packet=now,
        found=now,
        decided=now,
        by=by,
    )


def note_id(text: str, reason: str, by: str, now: int) -> str:
    """What stands in place of a finding for an operator's request: the same request at the same time, the same id."""
    return f"note:{finding_id(OPERATOR, ' '.join(map(printable, (text, reason, by))), now)}"


def given(reason: str) -> str:
    """A reason, or the statement that none was given: lifting a block must not fail for want of words."""
    return printable(reason) or "no reason was given"


def printable(text: str) -> str:
    """Bounded, and without what a terminal or a log would obey."""
    text = text[:MAX_TEXT].strip()
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
