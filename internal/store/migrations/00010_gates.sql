-- +goose Up
alter table approvals
    add column shown  text not null default '', -- digest of seen
    add column seen   json,                     -- what approvers are shown and decide about
    add column policy json;                     -- plan.Approval
alter table approval_decisions
    drop constraint approval_decisions_verdict_check,
    add constraint approval_decisions_verdict_check check (verdict in ('approve', 'reject', 'delegate')),
    add column stage      integer not null default 0,
    add column delegate   text not null default '', -- of verdict delegate: who decides instead
    add column decided_for text not null default ''; -- who had delegated

-- +goose Down
delete from approval_decisions where verdict = 'delegate';
alter table approval_decisions
    drop constraint approval_decisions_verdict_check,
    add constraint approval_decisions_verdict_check check (verdict in ('approve', 'reject')),
    drop column stage,
    drop column delegate,
    drop column decided_for;
alter table approvals
    drop column shown,
    drop column seen,
    drop column policy;
