package api

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

const guest = "user:default/guest"

// recording is a request to a Backstage 4.2 and its answer.
type recording struct {
	Name    string
	Request struct {
		Method, Path, RawBody string
		Headers               map[string]string
		Body                  json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
		Raw     string // of an event stream
		Text    *string
	}
}

func recordings(t *testing.T, name string) (all []recording) {
	t.Helper()
	raw, err := os.ReadFile("testdata/recordings/scaffolder-" + name + ".json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &all))
	require.NotEmpty(t, all)
	return all
}

// replay puts a server into the state that the recorded Backstage was in, and asks it the same.
type replay struct {
	*world
	engine *realRuns
	ids    *strings.Replacer // of recorded tasks → ours
	known  []string          // pairs for ids
}

var metadataBlock = regexp.MustCompile(`(?s)\nmetadata:\n.*?\nspec:`)

// recordedSpec is what of a recorded task the server had been given.
type recordedSpec struct {
	User         struct{ Entity json.RawMessage }
	TemplateInfo struct {
		BaseURL string
		Entity  struct{ Metadata json.RawMessage }
	}
	Parameters json.RawMessage
}

// specsIn finds the recorded tasks: by the name of their template.
func specsIn(t *testing.T) map[string]recordedSpec {
	t.Helper()
	found := map[string]recordedSpec{}
	for _, file := range []string{"get-list", "cancel", "retry"} {
		for _, r := range recordings(t, file) {
			var task struct{ Spec recordedSpec }
			if json.Unmarshal(r.Response.Body, &task) != nil || len(task.Spec.TemplateInfo.Entity.Metadata) == 0 {
				continue
			}
			var metadata struct{ Name string }
			require.NoError(t, json.Unmarshal(task.Spec.TemplateInfo.Entity.Metadata, &metadata))
			found[metadata.Name] = task.Spec
		}
	}
	return found
}

func newReplay(t *testing.T) *replay {
	t.Helper()
	r := &replay{}
	specs := specsIn(t)
	r.world = newWorld(t, trying, func(s *Server) {
		files, bases := fstest.MapFS{}, map[string]string{}
		for name, spec := range specs {
			source, err := os.ReadFile("../templates/testdata/compile/backstage-" + name + "/template.yaml")
			require.NoError(t, err)
			var metadata bytes.Buffer
			require.NoError(t, json.Compact(&metadata, spec.TemplateInfo.Entity.Metadata))
			// As the catalog gave it.
			source = metadataBlock.ReplaceAllLiteral(source, []byte("\nmetadata: "+metadata.String()+"\nspec:"))
			files[name+"/template.yaml"], bases[name] = &fstest.MapFile{Data: source}, spec.TemplateInfo.BaseURL
			s.Entities = people{guest: spec.User.Entity}
		}
		actions := templates.Actions{}
		for _, a := range s.Actions {
			actions[a.ID] = a
		}
		versions, problems := templates.LoadFS(fs.FS(files), func(name string) string { return bases[name] }, actions)
		require.Empty(t, problems)
		s.Templates = fakeLibrary(versions)
	})
	r.engine = carryingOut(t, r.world)
	r.server.starter.engine = r.engine
	r.server.Engine = r.engine
	t.Cleanup(r.engine.running.Wait)
	r.ids = strings.NewReplacer()
	return r
}

// knows notes which of our tasks stands for a recorded one.
func (r *replay) knows(recorded, ours string) {
	r.known = append(r.known, recorded, ours)
	r.ids = strings.NewReplacer(r.known...)
}

// create submits a task as the recorded one was.
func (r *replay) create(recorded, template, values string) string {
	r.t.Helper()
	got := r.as(guest, http.MethodPost, "/api/scaffolder/v2/tasks", `{"templateRef":"`+template+`","values":`+values+`}`)
	require.Equal(r.t, http.StatusCreated, got.status, got.text)
	id := got.json(r.t)["id"].(string)
	r.knows(recorded, id)
	return id
}

func (r *replay) ended(task string) {
	r.t.Helper()
	r.until(task, func(t store.Task, _ []store.Event) bool { return t.Ended() })
}

func (r *replay) until(task string, is func(store.Task, []store.Event) bool) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		found, err := r.store.Task(r.t.Context(), task)
		require.NoError(r.t, err)
		events, err := r.store.Events(r.t.Context(), task, 0, true, 1000)
		require.NoError(r.t, err)
		return is(found, events)
	}, 30*time.Second, 5*time.Millisecond)
}

// ask replays a request and compares the answer.
func (r *replay) ask(t *testing.T, rec recording) {
	t.Helper()
	var header []string
	for name, value := range rec.Request.Headers {
		if name == "authorization" {
			value = "Bearer " + r.token(guest)
		}
		header = append(header, name, value)
	}
	var body any
	switch {
	case rec.Request.RawBody != "":
		body = rec.Request.RawBody
	case len(rec.Request.Body) > 0:
		body = string(rec.Request.Body)
	}
	got := r.call(rec.Request.Method, r.ids.Replace(rec.Request.Path), body, header...)
	require.Equal(t, rec.Response.Status, got.status, got.text)
	for _, name := range []string{"content-type", "cache-control"} {
		if want, recorded := rec.Response.Headers[name]; recorded {
			require.Equal(t, want, got.header.Get(name))
		}
	}
	switch {
	case rec.Response.Text != nil:
		require.Equal(t, *rec.Response.Text, got.text)
	case strings.HasPrefix(rec.Response.Raw, "event: "):
		require.Equal(t, r.stream(t, r.ids.Replace(rec.Response.Raw)), r.stream(t, got.text))
	case rec.Response.Raw != "":
		require.Equal(t, r.normal(t, rec.Response.Raw), r.normal(t, got.text))
	case strings.HasSuffix(rec.Request.Path, "/templating-extensions"):
		require.Equal(t, blanked(t, string(rec.Response.Body)), blanked(t, got.text))
	default:
		var events []json.RawMessage
		if json.Unmarshal(rec.Response.Body, &events) == nil && strings.Contains(rec.Request.Path, "/events") {
			require.Equal(t, r.events(t, string(rec.Response.Body)), r.events(t, got.text))
			return
		}
		require.Equal(t, r.normal(t, string(rec.Response.Body)), r.normal(t, got.text))
	}
	if id := rec.created(t); id != "" {
		r.knows(id, got.json(t)["id"].(string))
	}
}

// created is the id that an answer to a new task gave.
func (rec recording) created(t *testing.T) string {
	if rec.Response.Status != http.StatusCreated || !strings.HasSuffix(rec.Request.Path, "/tasks") {
		return ""
	}
	var answer struct{ ID string }
	require.NoError(t, json.Unmarshal(rec.Response.Body, &answer))
	return answer.ID
}

// What differs from run to run: ids, dates, stack traces, and the folder that Backstage works in.
var (
	anyUUID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	anyDate  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	eventID  = regexp.MustCompile(`"id": ?\d+`)
	stack    = regexp.MustCompile(`(\\n {4}at [^"\\]*)+`)
	logID    = regexp.MustCompile(`logId=[0-9A-Za-z-]+`)
	workdir  = strings.NewReplacer("/scratch/ws/", "/workspaces/")
	zeroUUID = "00000000-0000-4000-8000-000000000000"
)

func (r *replay) normal(t *testing.T, body string) string {
	t.Helper()
	var lines bytes.Buffer
	require.NoError(t, json.Indent(&lines, []byte(r.ids.Replace(body)), "", " "), body)
	body = anyUUID.ReplaceAllStringFunc(lines.String(), func(id string) string {
		if id == zeroUUID {
			return id
		}
		return "ID"
	})
	body = anyDate.ReplaceAllLiteralString(body, "DATE")
	body = eventID.ReplaceAllLiteralString(body, `"id": 0`)
	body = logID.ReplaceAllLiteralString(body, "logId=ID")
	return workdir.Replace(stack.ReplaceAllLiteralString(body, ""))
}

var (
	description = regexp.MustCompile(`"description":"[^"]*"`)
	examples    = regexp.MustCompile(`"examples":\[(\{("[a-z]*":"([^"\\]|\\.)*",?)*\},?)*\]`)
)

// blanked takes out what the recordings leave out and what is our own to write: descriptions and examples.
func blanked(t *testing.T, body string) string {
	t.Helper()
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(body)))
	return description.ReplaceAllLiteralString(examples.ReplaceAllLiteralString(compact.String(), `"examples":[]`), `"description":""`)
}

// events makes a list of events comparable: a step's own lines, whose order Backstage doesn't keep, stand sorted
// behind its beginning.
func (r *replay) events(t *testing.T, list string) []string {
	t.Helper()
	var raw []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(list), &raw), list)
	var texts []string
	for _, e := range raw {
		texts = append(texts, r.normal(t, string(e)))
	}
	return ordered(t, raw, texts)
}

// stream does likewise with the text of an event stream, every byte of which counts.
func (r *replay) stream(t *testing.T, text string) []string {
	t.Helper()
	require.True(t, strings.HasSuffix(text, "\n\n"), text)
	var raw []json.RawMessage
	var texts []string
	for _, block := range strings.SplitAfter(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		head, data, ok := strings.Cut(strings.TrimSuffix(block, "\n\n"), "\ndata: ")
		require.True(t, ok, block)
		require.NotContains(t, data, "\n")
		raw, texts = append(raw, json.RawMessage(data)), append(texts, head+"\n"+r.normal(t, data))
	}
	return ordered(t, raw, texts)
}

func ordered(t *testing.T, raw []json.RawMessage, texts []string) (out []string) {
	t.Helper()
	var last int64
	begins := map[string]int{} // step → where its beginning stands among the stable events
	lines := map[int][]string{}
	var stable []string
	for i, event := range raw {
		var e struct {
			ID   int64
			Body struct{ StepID, Status string }
		}
		require.NoError(t, json.Unmarshal(event, &e))
		require.Greater(t, e.ID, last)
		last = e.ID
		if e.Body.StepID != "" && e.Body.Status == "" {
			lines[begins[e.Body.StepID]] = append(lines[begins[e.Body.StepID]], texts[i])
			continue
		}
		stable = append(stable, texts[i])
		if e.Body.Status == "processing" {
			begins[e.Body.StepID] = len(stable)
		}
	}
	for i := 0; i <= len(stable); i++ {
		slices.Sort(lines[i])
		out = append(out, lines[i]...)
		if i < len(stable) {
			out = append(out, stable[i])
		}
	}
	return out
}
