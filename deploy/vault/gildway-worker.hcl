# The worker makes keys and takes them back. It can write a key but never read one.

# A key whose metadata was written first needs update, too.
path "team-keys/data/+/+/+" {
  capabilities = ["create", "update"]
}

path "team-keys/metadata/+/+/+" {
  capabilities = ["create", "read", "update", "delete"]
}

# What a requester has not collected yet. The worker leaves it and can throw it away.
path "gildway-handover/data/+/+" {
  capabilities = ["create", "update"]
}

path "gildway-handover/metadata/+/+" {
  capabilities = ["create", "read", "update", "delete"]
}

# The secrets of runs under way.
path "gildway-secrets/data/+" {
  capabilities = ["read"]
}

path "gildway-secrets/metadata/+" {
  capabilities = ["delete"]
}

# One policy and one token role for each key. Whoever holds this token can write such a policy with any
# rules and mint for it: guard it as an administrator's.
path "sys/policies/acl/gildway-key-*" {
  capabilities = ["create", "read", "update", "delete"]
}

path "auth/token/roles/gildway-key-*" {
  capabilities = ["create", "read", "update", "delete"]
}

path "auth/token/create/gildway-key-*" {
  capabilities = ["create", "update"]
}

# Ending all tokens of a key's role; Vault asks for sudo here.
path "sys/leases/revoke-prefix/auth/token/create/gildway-key-*" {
  capabilities = ["update", "sudo"]
}

# Reading back what was granted. An accessor opens nothing.
path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}

# Its own token.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
