package catalog_test

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
	publish "github.com/gildway/gildway/activities/github"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

const bearer = "Bearer " + "catalog-canary-0c2d"

func client(p *exercise.Providers) *catalog.Client {
	return catalog.New(catalog.Config{URL: p.Endpoint("catalog") + "/", Token: secrets.New(exercise.Tokens.Catalog)})
}

func action(t *testing.T, c *catalog.Client, id string) activities.Action {
	t.Helper()
	a, ok := activities.NewRegistry(c.Actions()...).Get(id)
	require.True(t, ok)
	return a
}

// published makes a repository with a descriptor and gives its repoContentsUrl.
func published(t *testing.T, p *exercise.Providers, descriptor string) string {
	t.Helper()
	call := exercise.NewMemory().Call()
	call.Files = exercise.Files(t, map[string]string{"catalog-info.yaml": descriptor})
	a := publish.New(publish.Config{Hosts: map[string]publish.Host{
		"github.com": {APIBaseURL: p.Endpoint("github"), Token: secrets.New(exercise.Tokens.GitHub)}}}).Actions()[0]
	raw, err := a.Do(t.Context(), call, []byte(`{"repoUrl":"github.com?owner=acme-org&repo=shop"}`))
	require.NoError(t, err)
	var out publish.PublishOutput
	require.NoError(t, json.Unmarshal(raw, &out))
	return out.RepoContentsURL
}

const shop = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: shop}
spec: {type: service, lifecycle: production, owner: "group:default/payments-team"}
`

func locations(p *exercise.Providers) (targets []string) {
	var all []struct {
		Data struct{ Target string } `json:"data"`
	}
	p.Call(http.MethodGet, p.Endpoint("catalog")+"/locations", bearer, nil, &all)
	for _, l := range all {
		targets = append(targets, l.Data.Target)
	}
	return targets
}

func TestRegister_Exercise(t *testing.T) {
	t.Parallel()
	exercise.Exercise(t, func(t *testing.T) exercise.Subject {
		p := exercise.StartProviders(t)
		contents := published(t, p, shop)
		target := p.Endpoint("github") + "/acme-org/shop/tree/main/catalog-info.yaml"
		return exercise.Subject{
			Action: action(t, client(p), "catalog:register"),
			Input:  map[string]any{"repoContentsUrl": contents, "catalogInfoPath": "/catalog-info.yaml"},
			Made:   func() int64 { return p.Did("catalog.location.created", target) },
			There:  func() bool { return len(locations(p)) > 0 },
			LoseAnswer: func() {
				p.Pass("catalog", "POST", "/locations") // the dry run
				p.Lose("catalog", "POST", "/locations")
			},
			Throttle: p.Throttle("catalog"),
			Secrets:  func() []string { return []string{exercise.Tokens.Catalog} },
			Twin: exercise.Twin{
				Meeting: exercise.Refuses,
				Plant: func() {
					require.Equal(t, http.StatusCreated, p.Call(http.MethodPost, p.Endpoint("catalog")+"/locations", bearer,
						map[string]string{"type": "url", "target": target}, nil))
				},
				Untouched: func() bool { return len(locations(p)) == 1 },
			},
		}
	})
}

func register(t *testing.T, p *exercise.Providers, input string) (catalog.RegisterOutput, error) {
	t.Helper()
	var out catalog.RegisterOutput
	raw, err := action(t, client(p), "catalog:register").Do(t.Context(), exercise.NewMemory().Call(), []byte(input))
	if err == nil {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out, err
}

func TestRegister_Forms(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	contents := published(t, p, shop)
	tree := p.Endpoint("github") + "/acme-org/shop/tree/main/catalog-info.yaml"
	out, err := register(t, p, `{"repoContentsUrl":"`+contents+`"}`)
	require.NoError(t, err)
	require.Equal(t, catalog.RegisterOutput{EntityRef: "component:default/shop", CatalogInfoURL: tree}, out)

	_, err = register(t, p, `{"catalogInfoUrl":"`+tree+`"}`)
	require.ErrorIs(t, err, fault.Conflict)
	out, err = register(t, p, `{"catalogInfoUrl":"`+tree+`","optional":true}`)
	require.NoError(t, err)
	require.Equal(t, catalog.RegisterOutput{CatalogInfoURL: tree}, out)

	_, err = register(t, p, `{"repoContentsUrl":"`+contents+`","catalogInfoPath":"/missing.yaml"}`)
	require.ErrorIs(t, err, fault.Invalid)
	for _, bad := range []string{`{}`, `{"repoContentsUrl":"x","catalogInfoUrl":"y"}`, `{"catalogInfoUrl":"https://h/x","catalogInfoPath":"/y"}`, `{"catalogInfoUrl":"not a url"}`} {
		_, err = register(t, p, bad)
		require.ErrorIs(t, err, fault.Invalid, bad)
	}
	require.EqualValues(t, 1, p.Did("catalog.location.created", ""))
}

// plant registers a location as somebody else would.
func plant(t *testing.T, p *exercise.Providers, target string) {
	t.Helper()
	require.Equal(t, http.StatusCreated, p.Call(http.MethodPost, p.Endpoint("catalog")+"/locations", bearer,
		map[string]string{"type": "url", "target": target}, nil))
}

func TestRegister_SomebodyIsFasterThanOurRequest_IsTheirs(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	input := []byte(`{"repoContentsUrl":"` + published(t, p, shop) + `"}`)
	memory := exercise.NewMemory()
	call := memory.Call()
	once := call.Once
	call.Once = func(ctx context.Context, name string, into any, fn func(context.Context) (any, error)) error {
		err := once(ctx, name, into, fn)
		if name == "existed" { // we have looked and not asked yet
			plant(t, p, p.Endpoint("github")+"/acme-org/shop/tree/main/catalog-info.yaml")
		}
		return err
	}
	a := action(t, client(p), "catalog:register")
	_, err := a.Do(t.Context(), call, input)
	require.ErrorIs(t, err, fault.Conflict)
	require.NoError(t, a.Undo(t.Context(), memory.Call(), input, nil, "the run failed"))
	require.Len(t, locations(p), 1)
}

func TestUndo_LocationThatSomebodyRegisteredAnew_Stays(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	input := []byte(`{"repoContentsUrl":"` + published(t, p, shop) + `"}`)
	memory := exercise.NewMemory()
	a := action(t, client(p), "catalog:register")
	out, err := a.Do(t.Context(), memory.Call(), input)
	require.NoError(t, err)
	var all []struct{ Data struct{ ID, Target string } }
	p.Call(http.MethodGet, p.Endpoint("catalog")+"/locations", bearer, nil, &all)
	require.Len(t, all, 1)
	p.Call(http.MethodDelete, p.Endpoint("catalog")+"/locations/"+all[0].Data.ID, bearer, nil, nil)
	plant(t, p, all[0].Data.Target)
	require.NoError(t, a.Undo(t.Context(), memory.Call(), input, out, "the run failed"))
	require.Len(t, locations(p), 1)
}

func TestUndo_AnswerWasLostAndNobodyTriedAgain_IsGone(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	input := []byte(`{"repoContentsUrl":"` + published(t, p, shop) + `"}`)
	memory := exercise.NewMemory()
	a := action(t, client(p), "catalog:register")
	p.Pass("catalog", "POST", "/locations") // the dry run
	p.Lose("catalog", "POST", "/locations")
	_, err := a.Do(t.Context(), memory.Call(), input)
	require.ErrorIs(t, err, fault.Unavailable)
	require.Len(t, locations(p), 1)
	require.NoError(t, a.Undo(t.Context(), memory.Call(), input, nil, "the run failed"))
	require.Empty(t, locations(p))
	_, err = a.Do(t.Context(), memory.Call(), input) // a run that is tried again
	require.NoError(t, err)
	require.Len(t, locations(p), 1)
}

func TestDirectory_Rosa(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	c := client(p)
	groups, err := c.Groups(t.Context(), "user:rosa")
	require.NoError(t, err)
	require.Equal(t, []string{"group:default/engineering", "group:default/payments-team"}, groups)
	members, err := c.Members(t.Context(), "payments-team")
	require.NoError(t, err)
	require.Equal(t, []string{"user:default/jonas", "user:default/rosa"}, members)
	email, err := c.Email(t.Context(), "user:default/rosa")
	require.NoError(t, err)
	require.Equal(t, "rosa@acme.example", email)
	email, err = c.Email(t.Context(), "group:default/payments-team")
	require.NoError(t, err)
	require.Equal(t, "payments-team@acme.example", email)
	above, err := c.Members(t.Context(), "engineering")
	require.NoError(t, err)
	require.Empty(t, above)
	everybody, err := c.Everybody(t.Context(), "engineering")
	require.NoError(t, err)
	require.Subset(t, everybody, members)
	require.Contains(t, everybody, "user:default/amir", "of a team beside it")
	_, err = c.Everybody(t.Context(), "nobody")
	require.ErrorIs(t, err, fault.NotFound)

	_, err = c.Groups(t.Context(), "user:default/nobody")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = c.Groups(t.Context(), "user:default/../x")
	require.ErrorIs(t, err, fault.Invalid)
	_, err = catalog.New(catalog.Config{URL: p.Endpoint("catalog"), Token: secrets.New("wrong")}).Groups(t.Context(), "user:rosa")
	require.ErrorIs(t, err, fault.Denied)
}

func fetch(t *testing.T, p *exercise.Providers, input string) (string, error) {
	t.Helper()
	raw, err := action(t, client(p), "catalog:fetch").Do(t.Context(), exercise.NewMemory().Call(), []byte(input))
	return string(raw), err
}

func TestFetch_Forms(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	out, err := fetch(t, p, `{"entityRef":"AIModel:default/acme-llm-gateway"}`)
	require.NoError(t, err)
	require.Contains(t, out, `"accessTier":"standard"`)
	out, err = fetch(t, p, `{"entityRefs":["nobody","rosa"],"defaultKind":"User","defaultNamespace":"default","optional":true}`)
	require.NoError(t, err)
	require.Contains(t, out, `{"entities":[null,{`)
	out, err = fetch(t, p, `{"entityRef":"user:nobody","optional":true}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"entity":null}`, out)
	_, err = fetch(t, p, `{"entityRef":"user:nobody"}`)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = fetch(t, p, `{"entityRefs":["user:rosa","user:nobody"]}`)
	require.EqualError(t, err, "NotFound: Entity user:nobody not found")
	require.Equal(t, "Error", fault.From(err).BackstageName())
	out, err = fetch(t, p, `{"entityRefs":[]}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"entities":[]}`, out)
	out, err = fetch(t, p, `{"optional":true}`)
	require.NoError(t, err)
	require.JSONEq(t, `{}`, out)
	_, err = fetch(t, p, `{}`)
	require.EqualError(t, err, "Invalid: Missing entity reference or references")
	_, err = fetch(t, p, `{"entityRef":"kindless"}`)
	require.EqualError(t, err, `Invalid: Entity reference "kindless" had missing or empty kind (e.g. did not start with "component:" or similar)`)
	_, err = fetch(t, p, `{"entityRefs":["user:default/../x"]}`)
	require.ErrorIs(t, err, fault.Invalid)
}

func TestWrite_Entity_KeepsOrderAndNamesItsTemplate(t *testing.T) {
	t.Parallel()
	call := exercise.NewMemory().Call()
	files := exercise.Files(t, nil)
	call.Files = files
	input := `{"filePath":"sub/info.yaml","entity":{"kind":"Component","apiVersion":"v1","metadata":{"name":"x","annotations":{"z":"yes","a":"1"},
		"tags":[],"text":"two\nlines"},"spec":{"count":1,"f":1.5,"ok":true,"none":null,"list":["a",{"b":"on"}]}}}`
	_, err := action(t, catalog.New(catalog.Config{}), "catalog:write").Do(t.Context(), call, []byte(input))
	require.NoError(t, err)
	text, err := fs.ReadFile(files, "sub/info.yaml")
	require.NoError(t, err)
	require.Equal(t, `kind: Component
apiVersion: v1
metadata:
  name: x
  annotations:
    z: yes
    a: "1"
    backstage.io/source-template: template:default/exercise
  tags: []
  text: |-
    two
    lines
spec:
  count: 1
  f: 1.5
  ok: true
  none: null
  list:
    - a
    - b: on
`, string(text))
	var back any
	require.NoError(t, yaml.Unmarshal(text, &back))
	_, err = action(t, catalog.New(catalog.Config{}), "catalog:write").Do(t.Context(), call, []byte(`{"entity":"text"}`))
	require.ErrorIs(t, err, fault.Invalid)
}

func TestGroups_ParentsInACircle_End(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path.Base(r.URL.Path) {
		case "ann":
			_, _ = io.WriteString(w, `{"kind":"User","metadata":{"name":"ann","namespace":"x"},"spec":{"memberOf":["a","group:default/gone"]}}`)
		case "a":
			_, _ = io.WriteString(w, `{"kind":"Group","metadata":{"name":"a","namespace":"x"},"relations":[{"type":"childOf","targetRef":"group:x/b"}]}`)
		case "b":
			_, _ = io.WriteString(w, `{"kind":"Group","metadata":{"name":"b","namespace":"x"},"spec":{"parent":"a"}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	groups, err := catalog.New(catalog.Config{URL: srv.URL}).Groups(t.Context(), "user:x/ann")
	require.NoError(t, err)
	require.Equal(t, []string{"group:x/a", "group:x/b"}, groups)
}
