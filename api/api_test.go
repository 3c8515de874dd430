package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/sandbox/issuer"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	rosa    = "user:default/rosa"   // asks
	ben     = "user:default/ben"    // is in the approving group
	eve     = "user:default/eve"    // has nothing to do with it
	olga    = "user:default/olga"   // is an auditor
	adam    = "user:default/adam"   // is an admin
	tess    = "user:default/tess"   // owns the template
	kim     = "user:default/kim"    // is in no group
	leads   = "group:default/leads" // approve
	pattern = "^[a-z0-9-]+$"
)

// world is a served API with a real database and doubles of what is behind it.
type world struct {
	t      *testing.T
	server *Server
	url    string
	store  *store.Store
	engine *fakeEngine
	keys   *fakeKeys
	vault  *fakeVault
	issuer *issuer.Issuer
	verify *identity.StatementVerifier
	stop   func() // ends Serve and waits for it
}

func newWorld(t *testing.T, change ...func(*Server)) *world {
	t.Helper()
	db, err := store.Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	w := &world{t: t, store: db, engine: &fakeEngine{checking: Checking{State: "never"}}, keys: &fakeKeys{held: map[string]string{}}, vault: &fakeVault{}}

	authority := httptest.NewUnstartedServer(nil)
	w.issuer, err = issuer.Open(t.TempDir(), "http://"+authority.Listener.Addr().String())
	require.NoError(t, err)
	authority.Config.Handler = w.issuer
	authority.Start()
	t.Cleanup(authority.Close)
	tokens, err := identity.NewVerifier(authority.Client(), identity.Trust{Issuers: []identity.Issuer{{URL: w.issuer.URL(), Audience: "backstage"}}})
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := identity.NewSigner(private)
	require.NoError(t, err)
	w.verify, err = identity.NewStatementVerifier(public)
	require.NoError(t, err)

	log := slog.New(slog.DiscardHandler)
	listener := db.NewListener(log)
	w.server, err = New(Config{
		Store: db, Events: listener, Templates: library(t), Actions: testActions(), Engine: w.engine, Directory: fakeDirectory{},
		Entities: fakeDirectory{}, Keys: w.keys, Signer: signer, Tokens: tokens, Secrets: w.vault, Log: log,
		Policy: policy(identity.OpenToEveryone()...),
	})
	require.NoError(t, err)
	for _, f := range change {
		f(w.server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { listener.Run(ctx) })
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(ctx, l) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-served)
		running.Wait()
	})
	t.Cleanup(w.stop)
	return w
}

// policy is that of the world's people.
func policy(rules ...identity.Rule) identity.Policy {
	return identity.NewPolicy([]string{"group:default/admins"}, []string{olga}, rules)
}

func (w *world) token(who string) string {
	w.t.Helper()
	token, err := w.issuer.Token(issuer.Claims{Sub: who})
	require.NoError(w.t, err)
	return token
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	text   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.text), &body), a.text)
	return body
}

// as makes a request of somebody; nobody if who is empty. The body may be a string or anything that
// makes JSON.
func (w *world) as(who, method, path string, body any, header ...string) answer {
	w.t.Helper()
	if who != "" {
		header = append(header, "Authorization", "Bearer "+w.token(who))
	}
	return w.call(method, path, body, header...)
}

func (w *world) call(method, path string, body any, header ...string) answer {
	w.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		require.NoError(w.t, err)
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, reader)
	require.NoError(w.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// submit runs the template noop as rosa and waits until it is started.
func (w *world) submit() string {
	w.t.Helper()
	got := w.as(rosa, http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}})
	require.Equal(w.t, http.StatusCreated, got.status, got.text)
	id := got.json(w.t)["id"].(string)
	require.Eventually(w.t, func() bool {
		task, err := w.store.Task(context.Background(), id)
		return err == nil && task.StartedAt != nil
	}, 20*time.Second, 5*time.Millisecond)
	return id
}

func (w *world) gate(task string) string {
	w.t.Helper()
	t, err := w.store.Task(w.t.Context(), task)
	require.NoError(w.t, err)
	id := activities.GateID(task, 0, "ask")
	require.NoError(w.t, w.store.OpenApproval(w.t.Context(), store.Approval{ID: id, Task: task, Step: "ask", Title: "May they?", Reason: "because", Digest: t.Digest, Requester: rosa, Template: t.TemplateRef, Approvers: []string{leads}, Required: 1}))
	return id
}

// library holds one template whose steps use both test actions.
func library(t *testing.T) fakeLibrary {
	t.Helper()
	files := fstest.MapFS{"noop/template.yaml": {Data: []byte(`apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata:
  name: noop
  title: Two steps
  description: Says something and mints a key
  "ui:options": {a: 1}
spec:
  owner: group:default/platform
  type: service
  parameters:
    - title: Values
      required: [name]
      properties:
        name: {type: string, title: Name, minLength: 1, maxLength: 40, pattern: "` + pattern + `", "ui:autofocus": true}
  steps:
    - action: debug:log
      input: {message: "hello ${{ parameters.name }}"}
    - id: key
      name: Mint
      action: vault:mint-key
      input: {team: x}
  output:
    text: [{title: Done, content: "${{ parameters.name }} is done"}]
`)}}
	actions := templates.Actions{}
	for _, a := range testActions() {
		actions[a.ID] = a
	}
	versions, problems := templates.LoadFS(files, func(string) string { return "file:///templates/noop/template.yaml" }, actions)
	require.Empty(t, problems)
	require.Len(t, versions, 1)
	return versions
}

func testActions() []plan.Action {
	object := json.RawMessage(`{"type":"object","additionalProperties":true}`)
	return []plan.Action{
		{ID: "vault:mint-key", Description: "Mints", Kind: plan.ActionStep, Queue: activities.VaultQueue, Input: object, Undoable: true,
			Output: json.RawMessage(`{"type":"object","properties":{"collect":{"type":"string"}}}`)},
		{ID: "debug:log", Description: "Says", Kind: plan.ActionStep, Local: true, Queue: activities.MainQueue, Input: object, Output: object,
			Examples: []plan.Example{{Description: "d", YAML: "steps: []"}}},
	}
}

// fakeLibrary are templates that come from nowhere and stay as they are.
type fakeLibrary []*templates.Version

func (f fakeLibrary) Get(ref string) (*templates.Version, bool) {
	at := slices.IndexFunc(f, func(v *templates.Version) bool { return v.Ref == ref })
	if at < 0 {
		return nil, false
	}
	return f[at], true
}

func (f fakeLibrary) Refresh(context.Context) error { return nil }

func (f fakeLibrary) View() *templatesource.View {
	view := &templatesource.View{Sources: []templatesource.SourceState{{Name: "golden", Templates: len(f)}}}
	for _, v := range f {
		view.Entries = append(view.Entries, templatesource.Entry{Source: "golden", Place: v.Name + "/template.yaml", Ref: v.Ref, Version: v, Current: true})
	}
	return view
}

// fakeEngine remembers what it was asked and answers what it was told to.
type fakeEngine struct {
	mu         sync.Mutex
	err        error // of every call
	started    []plan.Run
	decided    []activities.DecideMessageInput
	cancels    []string
	renewed    []activities.RenewLease
	reviewed   []activities.DecideReview
	renewalIDs []string
	rollbacks  []activities.RollbackInput
	told       []string
	revoked    []store.Revocation
	gone       bool // leases
	outcome    *activities.Decided
	results    []plan.Kept
	checks     []string
	checking   Checking
	kept       []string
	lost       map[string]string // how runs ended, by task
	cancelled  []activities.CancelStep
	schedules  []string // what was asked of them
	next       []time.Time
}

func (e *fakeEngine) set(f func(*fakeEngine)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e)
}

func (e *fakeEngine) runs() []plan.Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.started)
}

// calls counts what runs and leases were told.
func (e *fakeEngine) calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.decided) + len(e.cancels) + len(e.renewed) + len(e.rollbacks) + len(e.told) + len(e.revoked) + len(e.reviewed)
}

func (e *fakeEngine) Start(_ context.Context, run plan.Run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.started = append(e.started, run)
	}
	return e.err
}

func (e *fakeEngine) Decide(_ context.Context, _ string, in activities.DecideMessageInput) (*activities.Decided, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.decided = append(e.decided, in)
	return e.outcome, e.err
}

func (e *fakeEngine) Cancel(_ context.Context, task, _ string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancels = append(e.cancels, task)
	return e.err
}

func (e *fakeEngine) Renew(_ context.Context, _, id string, in activities.RenewLease) (activities.RenewedLease, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.renewed, e.renewalIDs = append(e.renewed, in), append(e.renewalIDs, id)
	return activities.RenewedLease{Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}, e.err
}

func (e *fakeEngine) Lost(_ context.Context, task string, _ int) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost[task], e.err
}

func (e *fakeEngine) CancelStep(_ context.Context, _ string, in activities.CancelStep) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancelled = append(e.cancelled, in)
	return e.err
}

func (e *fakeEngine) Results(context.Context, string) ([]plan.Kept, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.results, e.err
}

func (e *fakeEngine) Tell(_ context.Context, task, message, text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, message+" "+text)
	return e.err
}

func (e *fakeEngine) Rollback(_ context.Context, in activities.RollbackInput) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rollbacks = append(e.rollbacks, in)
	return e.err
}

func (e *fakeEngine) Check(_ context.Context, by string, in activities.CheckInput) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checks = append(e.checks, strings.TrimSpace(by+" "+in.User))
	return e.err
}

func (e *fakeEngine) Checking(context.Context, string) (Checking, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.checking, e.err
}

func (e *fakeEngine) Review(_ context.Context, _ string, in activities.DecideReview) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reviewed = append(e.reviewed, in)
	return e.err
}

func (e *fakeEngine) Keep(_ context.Context, in activities.RoundsInput, change bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, fmt.Sprint(in.ID, " ", in.Every, " ", change))
	return e.err
}

func (e *fakeEngine) KeepSchedule(_ context.Context, c store.Schedule) error {
	return e.scheduled(fmt.Sprintf("keep %s paused=%v", c.ID, c.PausedAt != nil))
}

func (e *fakeEngine) DropSchedule(_ context.Context, id string) error {
	return e.scheduled("drop " + id)
}
func (e *fakeEngine) RunSchedule(_ context.Context, id string) error { return e.scheduled("run " + id) }

func (e *fakeEngine) scheduled(what string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.schedules = append(e.schedules, what)
	}
	return e.err
}

func (e *fakeEngine) NextTimes(context.Context, string) ([]time.Time, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next, e.err
}

func (e *fakeEngine) Revoke(_ context.Context, lease, why string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return fault.New(fault.NotFound, "the lease has ended")
	}
	if e.err == nil {
		e.revoked = append(e.revoked, store.Revocation{ID: lease, Why: why})
	}
	return e.err
}

type fakeDirectory struct{}

func (fakeDirectory) Groups(_ context.Context, user string) ([]string, error) {
	switch user {
	case ben:
		return []string{"group:default/everybody", leads}, nil
	case adam:
		return []string{"group:default/admins"}, nil
	case tess:
		return []string{"group:default/platform"}, nil
	case kim:
		return []string{}, nil
	case rosa: // in the approving group, which must not help her
		return []string{leads}, nil
	default:
		return nil, fault.New(fault.NotFound, "unknown")
	}
}

func (fakeDirectory) Email(_ context.Context, user string) (string, error) {
	if user != rosa {
		return "", fault.New(fault.NotFound, "unknown")
	}
	return "Rosa@acme.com", nil
}

func (fakeDirectory) Entity(_ context.Context, ref plan.EntityRef) (json.RawMessage, error) {
	if ref.String() != rosa {
		return nil, fault.New(fault.NotFound, "unknown")
	}
	return json.RawMessage(`{"kind":"User","metadata":{"name":"rosa"}}`), nil
}

type fakeKeys struct {
	mu   sync.Mutex
	err  error
	held map[string]string // task/step -> token
}

func (k *fakeKeys) Collect(ctx context.Context, task, step string, claim func(context.Context) error) (vault.Collected, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	token, ok := k.held[task+"/"+step]
	if !ok {
		return vault.Collected{}, fault.New(fault.NotFound, "nothing")
	}
	if err := claim(ctx); err != nil {
		return vault.Collected{}, err
	}
	if k.err != nil {
		return vault.Collected{}, k.err
	}
	delete(k.held, task+"/"+step)
	return vault.Collected{WrappingToken: secrets.New(token), Mount: "team-keys", Path: "x/y/z", Address: "http://vault", ExpiresAt: time.Unix(0, 0)}, nil
}

type fakeVault struct{ kept sync.Map }

func (v *fakeVault) Put(_ context.Context, task string, s map[string]string) error {
	v.kept.Store(task, s)
	return nil
}

func (v *fakeVault) Forget(_ context.Context, task string) error {
	v.kept.Delete(task)
	return nil
}

func newID() string { return uuid.NewString() }
