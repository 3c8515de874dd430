package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// maxRun bounds what a workflow is started with; Temporal refuses inputs of 2 MiB.
const maxRun = 3 << 19

// Entities gives catalog entities as the catalog wrote them. One that isn't there is a NotFound fault.
type Entities interface {
	Entity(ctx context.Context, ref plan.EntityRef) (json.RawMessage, error)
}

// SecretVault keeps the secrets of a run where only its worker finds them. The task stands for the attempt at it, see
// activities.InAttempt.
type SecretVault interface {
	Put(ctx context.Context, task string, secrets map[string]string) error
	// Forget takes back what was put for a task that came to nothing.
	Forget(ctx context.Context, task string) error
}

// taskSpec is what Backstage stores with a task and shows to its frontend.
type taskSpec struct {
	APIVersion   string            `json:"apiVersion"`
	Steps        []json.RawMessage `json:"steps"`
	Recovery     json.RawMessage   `json:"EXPERIMENTAL_recovery,omitempty"`
	Output       json.RawMessage   `json:"output"`
	Parameters   json.RawMessage   `json:"parameters"`
	User         taskUser          `json:"user"`
	TemplateInfo templateInfo      `json:"templateInfo"`
}

// taskUser is a plan.Person in Backstage's order.
type taskUser struct {
	Entity json.RawMessage `json:"entity,omitempty"`
	Ref    string          `json:"ref,omitempty"`
}

type templateInfo struct {
	EntityRef string         `json:"entityRef"`
	BaseURL   string         `json:"baseUrl,omitempty"`
	Entity    templateEntity `json:"entity"`
}

type templateEntity struct {
	Metadata json.RawMessage `json:"metadata"`
}

func (h handlers) CreateTask(ctx context.Context, r CreateTaskRequestObject) (CreateTaskResponseObject, error) {
	version, err := h.runnable(ctx, r.Body.TemplateRef, identity.Run)
	if err != nil {
		return nil, err
	}
	if err := checkValues(version.Template, r.Body.Values, r.Body.Secrets); err != nil {
		return nil, err
	}
	user, err := h.person(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	if err := h.takesSecrets(r.Body.Secrets); err != nil {
		return nil, err
	}
	secrets := h.secretsFor(ctx, version.Plan, r.Body.Secrets)
	task, err := h.newTask(ctx, version, plan.Run{
		Task: uuid.NewString(), Values: r.Body.Values, Requester: user, Secrets: slices.Sorted(maps.Keys(secrets)),
	}, nil)
	if err != nil {
		return nil, err
	}
	task.Request, task.IdempotencyKey = requestHash(version.Ref, r.Body), r.Params.IdempotencyKey
	if task.Lent = len(secrets) > 0; task.Lent {
		if err := h.Store.LendSecrets(ctx, task.ID, 0); err != nil {
			return nil, err
		}
		if err := h.Secrets.Put(ctx, task.ID, secrets); err != nil {
			return nil, err
		}
	}
	id, err := h.Store.CreateTask(ctx, task)
	if task.Lent && id != task.ID {
		h.forget(ctx, task.ID)
	}
	if err != nil {
		return nil, err
	}
	h.starter.Hurry()
	return CreateTask201JSONResponse{Id: id}, nil
}

// forget takes back the secrets of a request that was refused, or had been accepted before.
func (s *Server) forget(ctx context.Context, task string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.Secrets.Forget(ctx, task); err != nil {
		s.Log.WarnContext(ctx, "the secrets of a request that came to nothing stay in Vault for some minutes", "task", task, "cause", err)
	}
}

// newTask puts together what is promised by accepting a run of a version. pinned are the versions of templates that its
// steps run, as far as they were settled before.
func (s *Server) newTask(ctx context.Context, v *templates.Version, run plan.Run, pinned []plan.Child) (store.NewTask, error) {
	caller := callerOf(ctx)
	run.Plan, run.Submitted = *v.Plan, time.Now().UTC()
	var err error
	if run.Plan.Children, err = s.pin(run.Plan, pinned); err != nil {
		return store.NewTask{}, err
	}
	rawRun, err := json.Marshal(run)
	if err != nil {
		return store.NewTask{}, err
	}
	if len(rawRun) > maxRun {
		return store.NewTask{}, fault.New(fault.Invalid, "the template and its values are too large to run: %d bytes, at most %d", len(rawRun), maxRun)
	}
	// The digest is taken over what the workflow will read, not over what we have at hand. Read into a run of its own:
	// the other one shares its bytes with the template, and so with other requests.
	var read plan.Run
	if err := json.Unmarshal(rawRun, &read); err != nil {
		return store.NewTask{}, err
	}
	shown := run.Requester
	if caller.Kind == identity.Service {
		shown = plan.Person{} // as in Backstage: a program is no user
	}
	spec, err := json.Marshal(specOf(v, run.Values, shown))
	if err != nil {
		return store.NewTask{}, err
	}
	return store.NewTask{
		ID: run.Task, TemplateRef: v.Ref, TemplateDigest: v.Digest, Spec: spec, Run: rawRun, Digest: read.Digest(),
		CreatedBy: run.Requester.Ref, Owner: v.Template.Owner, Tags: v.Template.Tags(), Teams: caller.Groups,
		Quotas: s.Limits.quotas(run.Requester.Ref, caller.Groups, v.Ref),
	}, nil
}

func (s *Server) person(ctx context.Context, caller identity.Principal) (plan.Person, error) {
	person := plan.Person{Ref: caller.Ref}
	if s.Entities == nil || caller.Kind != identity.User {
		return person, nil
	}
	parsed, err := plan.ParseEntityRef(caller.Ref, "user")
	if err != nil {
		return person, fault.Wrap(fault.Invalid, err, "%s", err)
	}
	if person.Entity, err = s.Entities.Entity(ctx, parsed); errors.Is(err, fault.NotFound) {
		return plan.Person{Ref: caller.Ref}, nil
	}
	return person, err
}

func specOf(v *templates.Version, values json.RawMessage, user plan.Person) taskSpec {
	return taskSpec{
		APIVersion: v.Template.APIVersion, Steps: v.Template.TaskSteps(), Recovery: v.Template.Recovery(),
		Output: v.Template.Output(), Parameters: values, User: taskUser{user.Entity, user.Ref},
		TemplateInfo: templateInfo{EntityRef: v.Ref, BaseURL: v.BaseURL, Entity: templateEntity{Metadata: withNamespace(v.Template.Metadata)}},
	}
}

// withNamespace adds the namespace that a catalog would have filled in: the frontend's "start over"
// needs it.
func withNamespace(metadata json.RawMessage) json.RawMessage {
	var m struct {
		Namespace string `json:"namespace"`
	}
	inner := bytes.TrimPrefix(bytes.TrimSpace(metadata), []byte("{"))
	if err := json.Unmarshal(metadata, &m); err != nil || m.Namespace != "" || len(inner) < 2 {
		return metadata
	}
	return slices.Concat([]byte(`{"namespace":"default",`), inner)
}

// requestHash tells a repeated request from another one under the same key. Map keys are sorted by
// the encoder. Of secrets it holds the names only: a hash that is kept is a way to guess a short one.
func requestHash(ref string, body *NewTask) string {
	var values any
	_ = json.Unmarshal(body.Values, &values) // it was checked to be JSON
	sum := sha256.New()
	_ = json.NewEncoder(sum).Encode([]any{ref, values, slices.Sorted(maps.Keys(body.Secrets))}) // a hash never fails to write
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}
