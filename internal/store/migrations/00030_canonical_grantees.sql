-- +goose Up
-- +goose StatementBegin
-- Whom a step named as "amir" or "User:amir" was granted it as user:default/amir, and is looked for under that name.
create or replace function pg_temp.canonical(named text) returns text language sql as $$
    select case
        when named ~* '^(user:)?([a-z0-9._-]+/)?[a-z0-9._-]+$' then
            'user:' || regexp_replace(regexp_replace(lower(named), '^user:', ''), '^([^/]+)$', 'default/\1')
        else named
    end
$$;
-- +goose StatementEnd
update leases set output = jsonb_set(output::jsonb, '{user}', to_jsonb(pg_temp.canonical(output->>'user')))::json
    where action = 'okta:group:add-member' and output->>'user' <> pg_temp.canonical(output->>'user');
update effects set output = jsonb_set(output::jsonb, '{user}', to_jsonb(pg_temp.canonical(output->>'user')))::json
    where action = 'okta:group:add-member' and output->>'user' <> pg_temp.canonical(output->>'user');
update access_review_items set grantee = pg_temp.canonical(grantee)
    where action = 'okta:group:add-member' and grantee <> '' and grantee <> pg_temp.canonical(grantee);

-- +goose Down
select 1;
