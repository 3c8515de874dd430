package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Minter makes and takes back keys. The policy gildway-worker is all it needs.
type Minter struct{ *connection }

// New makes a minter. The zero Config is good for declarations only.
func New(config Config) *Minter { return &Minter{newConnection(config)} }

// Request says for whom a key is and for what.
type Request struct {
	Team    string `json:"team" jsonschema:"minLength=1" jsonschema_description:"Group ref of the team the key belongs to."`
	Tool    string `json:"tool" jsonschema:"minLength=1" jsonschema_description:"What the key opens: an entity ref or a word."`
	Purpose string `json:"purpose,omitempty" jsonschema:"maxLength=500" jsonschema_description:"Kept beside the key."`
}

// Minted says where a key is. It holds no secret.
type Minted struct {
	Path      string `json:"path" jsonschema_description:"Path of the key below the mount."`
	Mount     string `json:"mount" jsonschema_description:"KV v2 mount."`
	Policy    string `json:"policy" jsonschema_description:"The policy that allows reading exactly this key."`
	Role      string `json:"role" jsonschema_description:"The token role; revoking its tokens ends the access."`
	ExpiresAt string `json:"expiresAt" jsonschema_description:"When the token ends, RFC 3339."`
	Collect   string `json:"collect" jsonschema_description:"Where the requester collects the token, once."`
}

const (
	keyBytes     = 32
	defaultTTL   = 720 * time.Hour
	longestWrap  = 72 * time.Hour
	markField    = "gildway-run"
	expiresField = "gildway-expires"
	leaseField   = "gildway-lease"
	tokenField   = "gildway-token" // the accessor, which opens nothing
	ttlTolerance = 2 * time.Minute // Vault counts from its own clock
)

// Mint makes the key exist and ready to be collected.
func (m *Minter) Mint(ctx context.Context, call *activities.Call, r Request) (Minted, error) {
	n, err := namesOf(call, r)
	if err != nil {
		return Minted{}, err
	}
	expires, err := m.make(ctx, call, r, n)
	if err != nil {
		return Minted{}, typed(err)
	}
	call.Log("The key %s/%s can be collected until it ends at %s", m.config.Mount, n.path, expires.Format(time.RFC3339))
	return m.minted(call, n, expires), nil
}

func (m *Minter) minted(call *activities.Call, n names, expires time.Time) Minted {
	return Minted{
		Path: n.path, Mount: m.config.Mount, Policy: n.role, Role: n.role,
		ExpiresAt: expires.UTC().Format(time.RFC3339),
		Collect:   "/api/gildway/v1/tasks/" + call.Run.Task + "/collect",
	}
}

// make goes through the steps that lead to a hand-over; each finds what an earlier attempt did.
func (m *Minter) make(ctx context.Context, call *activities.Call, r Request, n names) (time.Time, error) {
	client, err := m.connect()
	if err != nil {
		return time.Time{}, err
	}
	ttl := defaultTTL
	if call.LeaseEnds != nil {
		ttl = time.Until(*call.LeaseEnds).Truncate(time.Second)
	}
	if ttl < time.Second {
		return time.Time{}, fault.New(fault.Conflict, "the lease has ended before the key was made")
	}
	if expires, done, err := m.writeKey(ctx, client, call, r, n); err != nil || done {
		return expires, err
	}
	if err := client.Sys().PutPolicyWithContext(ctx, n.role, m.rules(n)); err != nil {
		return time.Time{}, err
	}
	if err := writeRole(ctx, client, n, ttl); err != nil {
		return time.Time{}, err
	}
	expires, err := m.handOver(ctx, client, call, n, ttl)
	if err != nil {
		return time.Time{}, err
	}
	// Said last, beside the key: another attempt finds it done, even after the requester has collected.
	return expires, m.noteEnd(ctx, client, n, expires)
}

// rules are those of the policy that reads exactly this key.
func (m *Minter) rules(n names) string {
	return fmt.Sprintf("path %q {\n  capabilities = [\"read\"]\n}\n", m.config.Mount+"/data/"+n.path)
}

func (m *Minter) noteEnd(ctx context.Context, client *api.Client, n names, expires time.Time) error {
	return client.KVv2(m.config.Mount).PutMetadata(ctx, n.path, api.KVMetadataPutInput{
		CASRequired: true, CustomMetadata: map[string]any{markField: n.mark, expiresField: expires.Format(time.RFC3339)},
	})
}

// writeRole makes the role whose tokens read exactly this key, and live no longer than ttl.
func writeRole(ctx context.Context, client *api.Client, n names, ttl time.Duration) error {
	_, err := client.Logical().WriteWithContext(ctx, "auth/token/roles/"+n.role, map[string]any{
		"allowed_policies": []string{n.role}, "orphan": true, "token_no_default_policy": true,
		"token_explicit_max_ttl": seconds(ttl), "renewable": false, "token_type": "service",
	})
	return err
}

// writeKey creates the key, once. The mark is written first: a key without it is never ours. If the key
// was handed over already, done is true and expires its token's end.
func (m *Minter) writeKey(ctx context.Context, client *api.Client, call *activities.Call, r Request, n names) (expires time.Time, done bool, err error) {
	kv := client.KVv2(m.config.Mount)
	meta, err := kv.GetMetadata(ctx, n.path)
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		err = kv.PutMetadata(ctx, n.path, api.KVMetadataPutInput{CASRequired: true, CustomMetadata: map[string]any{markField: n.mark}})
		if err != nil {
			return expires, false, err
		}
	case err != nil:
		return expires, false, err
	case meta.CustomMetadata[markField] != n.mark:
		return expires, false, fault.New(fault.Conflict, "Vault has a key at %s/%s that this step did not make", m.config.Mount, n.path)
	case meta.CustomMetadata[expiresField] != nil:
		at, _ := meta.CustomMetadata[expiresField].(string)
		if expires, err = time.Parse(time.RFC3339, at); err != nil {
			return expires, false, fault.Wrap(fault.Conflict, err, "somebody has changed the metadata of the key at %s/%s in Vault", m.config.Mount, n.path)
		}
		return expires, true, nil
	case meta.CurrentVersion > 0:
		return expires, false, nil
	}
	return expires, false, m.writeValue(ctx, kv, call, r, n)
}

func (m *Minter) writeValue(ctx context.Context, kv *api.KVv2, call *activities.Call, r Request, n names) error {
	value := make([]byte, keyBytes)
	_, _ = rand.Read(value) // never fails (crypto/rand)
	_, err := kv.Put(ctx, n.path, map[string]any{
		"key":     "gw_" + base64.RawURLEncoding.EncodeToString(value),
		"team":    r.Team,
		"tool":    r.Tool,
		"purpose": r.Purpose,
		"for":     call.Run.Requester.Ref,
		"task":    call.Run.Task,
	}, api.WithCheckAndSet(0))
	if err = typed(err); errors.Is(err, fault.Conflict) { // perhaps with another attempt of ours, at the same time
		if meta, seen := kv.GetMetadata(ctx, n.path); seen == nil && meta.CustomMetadata[markField] == n.mark && meta.CurrentVersion > 0 {
			return nil
		}
	}
	return err
}

// handOver mints the token, wrapped, and leaves it for its requester. It gives the token's end.
func (m *Minter) handOver(ctx context.Context, client *api.Client, call *activities.Call, n names, ttl time.Duration) (time.Time, error) {
	box := client.KVv2(m.config.HandoverMount)
	switch meta, err := box.GetMetadata(ctx, n.handover); {
	case err == nil && meta.CurrentVersion > 0:
		at, _ := meta.CustomMetadata["expiresAt"].(string)
		expires, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return time.Time{}, fault.Wrap(fault.Conflict, err, "Vault holds a hand-over %s that this step did not make", n.handover)
		}
		return expires, nil
	case err != nil && !errors.Is(err, api.ErrSecretNotFound):
		return time.Time{}, err
	}
	// A token whose answer was lost can't be found again, only ended with all others of its role.
	if err := revoke(ctx, client, n); err != nil {
		return time.Time{}, err
	}
	return m.leave(ctx, client, call, n, ttl)
}

// leave mints a token, wrapped, and leaves it for its requester.
func (m *Minter) leave(ctx context.Context, client *api.Client, call *activities.Call, n names, ttl time.Duration) (time.Time, error) {
	box := client.KVv2(m.config.HandoverMount)
	wrapping, err := client.Clone()
	if err != nil {
		return time.Time{}, fault.Wrap(fault.Internal, err, "the Vault client can't be copied")
	}
	wrapping.SetToken(client.Token())
	wrapping.SetWrappingLookupFunc(func(string, string) string { return seconds(min(ttl, longestWrap)) })
	renewable := false
	minted, err := wrapping.Auth().Token().CreateWithRoleWithContext(ctx, &api.TokenCreateRequest{
		Policies: []string{n.role}, TTL: seconds(ttl), ExplicitMaxTTL: seconds(ttl), Renewable: &renewable,
		DisplayName: "gildway", Metadata: map[string]string{markField: n.mark, "for": call.Run.Requester.Ref},
	}, n.role)
	if err != nil {
		return time.Time{}, err
	}
	if minted == nil || minted.WrapInfo == nil || minted.WrapInfo.Token == "" {
		return time.Time{}, fault.New(fault.Internal, "Vault did not wrap the token")
	}
	expires, err := m.check(ctx, client, call, n, minted.WrapInfo.WrappedAccessor, ttl)
	if err != nil {
		return time.Time{}, err
	}
	err = box.PutMetadata(ctx, n.handover, api.KVMetadataPutInput{
		CASRequired: true, CustomMetadata: map[string]any{"expiresAt": expires.UTC().Format(time.RFC3339), leaseField: leaseEnd(call), tokenField: minted.WrapInfo.WrappedAccessor},
	})
	if err != nil {
		return time.Time{}, err
	}
	_, err = box.Put(ctx, n.handover, map[string]any{
		"wrapping_token": minted.WrapInfo.Token, "path": n.path, "mount": m.config.Mount,
		"expires_at": expires.UTC().Format(time.RFC3339),
	}, api.WithCheckAndSet(0))
	return expires, err
}

// check reads the token back by its accessor: Vault cuts a TTL down without an error.
func (m *Minter) check(ctx context.Context, client *api.Client, call *activities.Call, n names, accessor string, ttl time.Duration) (time.Time, error) {
	found, err := client.Auth().Token().LookupAccessorWithContext(ctx, accessor)
	if err != nil {
		return time.Time{}, err
	}
	policies, err := found.TokenPolicies()
	if err != nil || len(policies) != 1 || policies[0] != n.role {
		return time.Time{}, fault.Wrap(fault.Internal, err, "Vault gave the token other policies than asked for")
	}
	left, ok := found.Data["ttl"].(json.Number)
	if !ok {
		return time.Time{}, fault.New(fault.Unavailable, "Vault does not tell when the token ends")
	}
	count, err := left.Int64()
	if err != nil {
		return time.Time{}, fault.Wrap(fault.Unavailable, err, "Vault does not tell when the token ends")
	}
	granted := time.Duration(count) * time.Second
	if granted < ttl-ttlTolerance {
		call.Log("Vault grants %s instead of %s", granted, ttl)
	}
	return time.Now().Add(granted).UTC().Truncate(time.Second), nil
}

// leaseEnd names the end that a token was made for.
func leaseEnd(call *activities.Call) string {
	if call.LeaseEnds == nil {
		return "none"
	}
	return call.LeaseEnds.UTC().Format(time.RFC3339Nano)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }
