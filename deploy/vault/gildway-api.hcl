# The API hands over what the worker left, once. It can't read a key or make a token.

path "gildway-handover/data/+/+" {
  capabilities = ["read"]
}

path "gildway-handover/destroy/+/+" {
  capabilities = ["update"]
}

# The secrets of a submission. The API leaves them for the worker and can't read them back.
path "gildway-secrets/data/+" {
  capabilities = ["create"]
}

path "gildway-secrets/metadata/+" {
  capabilities = ["delete"]
}

# Its own token.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
