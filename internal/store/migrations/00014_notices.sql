-- +goose Up
create index notices_recipients on notices using gin (recipients);
create index notices_created_at on notices (created_at);

-- +goose Down
drop index notices_recipients;
drop index notices_created_at;
