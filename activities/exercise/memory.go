package exercise

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// Memory is what the worker keeps of one call between its attempts.
type Memory struct {
	mu    sync.Mutex
	task  string
	once  map[string]json.RawMessage
	lines []string
	holds *holds
}

// holds are those of all calls that share a world.
type holds struct {
	mu   sync.Mutex
	ours map[string]map[string]bool // resource and key
}

func (h *holds) Hold(_ context.Context, resource, key string, found bool) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ours[resource] == nil {
		h.ours[resource] = map[string]bool{}
	}
	ours := !found
	for _, is := range h.ours[resource] {
		ours = ours || is
	}
	if was, held := h.ours[resource][key]; held {
		ours = was || !found
	}
	h.ours[resource][key] = ours
	return ours, nil
}

func (h *holds) LetGo(_ context.Context, resource, key string) (got activities.Holding, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got.Ours, got.Held = h.ours[resource][key]
	got.Last = !got.Held && len(h.ours[resource]) == 0 || got.Held && len(h.ours[resource]) == 1
	if !got.Ours || !got.Last {
		delete(h.ours[resource], key)
	}
	return got, nil
}

func (h *holds) Gone(_ context.Context, resource, key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ours[resource], key)
	return nil
}

func (h *holds) Held(_ context.Context, beginning string) (resources []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for resource, by := range h.ours {
		if strings.HasPrefix(resource, beginning) && len(by) > 0 {
			resources = append(resources, resource)
		}
	}
	return resources, nil
}

// NewMemory is the memory of a call that was never attempted, in a task of its own.
func NewMemory() *Memory {
	return &Memory{task: uuid.NewString(), once: map[string]json.RawMessage{}, holds: &holds{ours: map[string]map[string]bool{}}}
}

// Beside is the memory of a call of another task in the same world.
func (m *Memory) Beside() *Memory {
	other := NewMemory()
	other.holds = m.holds
	return other
}

// Requester is who asks in every call; the sandbox knows her.
const Requester = "user:default/rosa"

// Call makes the call of one more attempt.
func (m *Memory) Call() *activities.Call {
	call := &activities.Call{
		Run: activities.RunInfo{
			Task: m.task, Requester: plan.Person{Ref: Requester},
			Template: plan.Template{Ref: "template:default/exercise", Name: "exercise"},
		},
		Step: "effect", StepName: "Effect", Key: m.task + "/effect", Root: "/workspaces/" + m.task,
		Log: func(format string, args ...any) { m.say(fmt.Sprintf(format, args...)) },
	}
	call.Holds = m.holds
	call.Look = func(ctx context.Context, _ string, fn func(context.Context) (any, error)) (any, error) {
		return fn(ctx)
	}
	call.LogAt = func(_ activities.LogLevel, text string, _ map[string]any) { call.Log("%s", text) }
	call.Once = func(ctx context.Context, name string, into any, fn func(context.Context) (any, error)) error {
		return m.remember(ctx, call.Key+" "+name, into, fn)
	}
	return call
}

func (m *Memory) say(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, line)
}

// Lines are what the attempts have logged.
func (m *Memory) Lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.lines...)
}

// Seen is all that an attempt leaves behind.
func (m *Memory) Seen() []string {
	seen := m.Lines()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.once {
		seen = append(seen, string(v))
	}
	return seen
}

func (m *Memory) remember(ctx context.Context, name string, into any, fn func(context.Context) (any, error)) error {
	m.mu.Lock()
	raw, known := m.once[name]
	m.mu.Unlock()
	if !known {
		v, err := fn(ctx)
		if err != nil {
			return err
		}
		if raw, err = json.Marshal(v); err != nil {
			return err
		}
		m.mu.Lock()
		m.once[name] = raw
		m.mu.Unlock()
	}
	return json.Unmarshal(raw, into)
}
