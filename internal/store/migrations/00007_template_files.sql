-- +goose Up

-- What lies beside a template is kept with it: a run reads the files of the version that it was accepted with.
alter table templates
    add column archive       bytea,
    add column origin        text not null default '',
    add column revision      text not null default '',
    add column author        text not null default '',
    add column committed_at  timestamptz,
    add column seq           bigint generated always as identity;
create index templates_versions on templates (ref, seq desc);

-- The last good version at each place that a source was found to have a template at.
create table template_places (
    source    text not null,
    place     text not null,
    ref       text not null,
    digest    text not null references templates (digest),
    file      text not null,
    shown_url text not null,
    base_url  text not null,
    primary key (source, place)
);

-- +goose Down

drop table template_places;
drop index templates_versions;
alter table templates
    drop column archive,
    drop column origin,
    drop column revision,
    drop column author,
    drop column committed_at,
    drop column seq;
