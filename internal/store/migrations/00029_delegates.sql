-- +goose Up
create index approval_decisions_delegate on approval_decisions (delegate) where delegate <> '' and not void; -- who reads what was delegated to them

-- +goose Down
drop index approval_decisions_delegate;
