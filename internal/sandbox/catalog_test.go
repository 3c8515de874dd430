package sandbox_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox/issuer"
)

const catalogToken = "Bearer catalog-test"

const component = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: shop
  annotations: {example.org/note: hello}
  tags: [one, two]
spec: {type: service, lifecycle: production, owner: payments-team, system: checkout-system}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: shop-api}
spec: {type: openapi, lifecycle: production, owner: group:payments-team, definition: "openapi: 3.0.0"}
`

func refsOf(t *testing.T, items any) []string {
	t.Helper()
	var refs []string
	for _, i := range items.([]any) {
		e := i.(map[string]any)
		refs = append(refs, e["kind"].(string)+"/"+e["metadata"].(map[string]any)["name"].(string))
	}
	return refs
}

func TestCatalog_LocationLife_AsRecordedFromBackstage(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.published("shop", "private", map[string]string{"catalog-info.yaml": component})
	target := b.url + "/github/acme-org/shop/tree/main/catalog-info.yaml"
	want := map[string]any{"type": "url", "target": target}

	dry := b.call("POST", "/api/catalog/locations?dryRun=true", catalogToken, want)
	require.Equal(t, 201, dry.status)
	require.Equal(t, false, dry.json(t)["exists"])
	require.Equal(t, "url:"+target, dry.json(t)["location"].(map[string]any)["id"])
	refs := refsOf(t, dry.json(t)["entities"])
	require.Regexp(t, "^Location/generated-[0-9a-f]{40}$", refs[0])
	require.Equal(t, []string{"API/shop-api", "Component/shop"}, refs[1:])
	require.Equal(t, 404, b.call("GET", "/api/catalog/entities/by-name/component/default/shop", catalogToken, nil).status)

	made := b.call("POST", "/api/catalog/locations", catalogToken, want)
	require.Equal(t, 201, made.status)
	require.Equal(t, []any{}, made.json(t)["entities"])
	location := made.json(t)["location"].(map[string]any)
	require.Equal(t, "location:default/"+refs[0][len("Location/"):], location["entityRef"])
	again := b.call("POST", "/api/catalog/locations", catalogToken, want)
	require.Equal(t, 409, again.status)
	require.Equal(t, map[string]any{
		"error":    map[string]any{"name": "ConflictError", "message": "Location url:" + target + " already exists"},
		"request":  map[string]any{"method": "POST", "url": "/locations"},
		"response": map[string]any{"statusCode": 409.0},
	}, again.json(t))
	require.EqualValues(t, 1, b.did("catalog.location.created", target))

	shop := b.call("GET", "/api/catalog/entities/by-name/Component/DEFAULT/Shop", catalogToken, nil).json(t)
	require.Equal(t, []any{
		map[string]any{"type": "ownedBy", "targetRef": "group:default/payments-team"},
		map[string]any{"type": "partOf", "targetRef": "system:default/checkout-system"},
	}, shop["relations"])
	meta := shop["metadata"].(map[string]any)
	require.Len(t, meta["etag"], 40)
	require.Len(t, meta["uid"], 36)
	require.Equal(t, "url:"+target, meta["annotations"].(map[string]any)["backstage.io/managed-by-location"])
	owner := b.call("GET", "/api/catalog/locations/by-entity/component/default/shop", catalogToken, nil).json(t)
	require.Equal(t, location["id"], owner["id"])

	require.Equal(t, 204, b.call("DELETE", "/api/catalog/locations/"+location["id"].(string), catalogToken, nil).status)
	require.Equal(t, 404, b.call("DELETE", "/api/catalog/locations/"+location["id"].(string), catalogToken, nil).status)
	require.Equal(t, 404, b.call("GET", "/api/catalog/entities/by-name/component/default/shop", catalogToken, nil).status)
}

func TestCatalog_UnreadableTargets_FailTheDryRunOnly(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.published("broken", "private", map[string]string{
		"yaml.yaml": "kind: [unclosed\n", "name.yaml": "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: 'bad name!'}\nspec: {}\n",
	})
	for target, message := range map[string]string{
		b.url + "/github/acme-org/broken/blob/main/yaml.yaml":    "YAML error at url:",
		b.url + "/github/acme-org/broken/blob/main/name.yaml":    "Policy check failed for component:default/bad name!",
		b.url + "/github/acme-org/broken/blob/main/missing.yaml": "NotFoundError: Unable to read url, no matching files found",
		"http://127.0.0.1:1/catalog-info.yaml":                   "is not allowed",
	} {
		body := map[string]any{"type": "url", "target": target}
		dry := b.call("POST", "/api/catalog/locations?dryRun=true", catalogToken, body)
		require.Equal(t, 400, dry.status)
		require.Contains(t, string(dry.raw), message)
		require.Equal(t, 201, b.call("POST", "/api/catalog/locations", catalogToken, body).status)
	}
	refused := b.call("POST", "/api/catalog/locations", catalogToken, map[string]any{"type": "url"})
	require.Equal(t, 400, refused.status)
	require.Contains(t, string(refused.raw), "request/body must have required property 'target'")
	require.Equal(t, 400, b.call("POST", "/api/catalog/locations", catalogToken, map[string]any{"type": "file", "target": "/etc/hostname"}).status)
}

func TestCatalog_APush_RefreshesWhatIsRegistered(t *testing.T) {
	t.Parallel()
	b := start(t)
	r := b.repo("late", "private")
	target := b.url + "/github/acme-org/late/blob/main/catalog-info.yaml"
	require.Equal(t, 201, b.call("POST", "/api/catalog/locations", catalogToken, map[string]any{"type": "url", "target": target}).status)
	require.Equal(t, 404, b.call("GET", "/api/catalog/entities/by-name/component/default/shop", catalogToken, nil).status)
	b.mustGit(b.work(map[string]string{"catalog-info.yaml": component}), "push", "--quiet", signedIn(r.GetCloneURL()), "main")
	require.Equal(t, 200, b.call("GET", "/api/catalog/entities/by-name/component/default/shop", catalogToken, nil).status)
}

func TestCatalog_Seed_HoldsTheGuidesModelAndItsPeople(t *testing.T) {
	t.Parallel()
	b := start(t)
	model := b.call("GET", "/api/catalog/entities/by-name/aimodel/default/acme-llm-gateway", catalogToken, nil).json(t)
	require.Equal(t, "group:ml-platform-team", model["spec"].(map[string]any)["owner"])
	require.Contains(t, model["relations"], map[string]any{"type": "ownedBy", "targetRef": "group:default/ml-platform-team"})
	require.Contains(t, model["relations"], map[string]any{"type": "dependencyOf", "targetRef": "toolchain:default/acme-coding-assistant"})
	team := b.call("GET", "/api/catalog/entities/by-name/group/default/ml-platform-team", catalogToken, nil).json(t)
	for _, want := range []map[string]any{
		{"type": "childOf", "targetRef": "group:default/engineering"}, {"type": "hasMember", "targetRef": "user:default/amir"},
		{"type": "hasMember", "targetRef": "user:default/li"}, {"type": "ownerOf", "targetRef": "aimodel:default/acme-llm-gateway"},
	} {
		require.Contains(t, team["relations"], want)
	}
}

func TestCatalog_Queries_FilterOrderAndPage(t *testing.T) {
	t.Parallel()
	b := start(t)
	ask := func(q string) map[string]any {
		a := b.call("GET", "/api/catalog/entities/by-query?fields=kind,metadata.name&"+q, catalogToken, nil)
		require.Equal(t, 200, a.status, "%s", a.raw)
		return a.json(t)
	}
	require.Equal(t, []string{"User/amir", "User/li"}, refsOf(t, ask("filter=kind=user,relations.memberOf=group:default/ml-platform-team")["items"]))
	require.Equal(t, []string{"AIModel/acme-llm-gateway", "System/ai-platform"}, refsOf(t, ask("filter=kind=aimodel&filter=metadata.name=ai-platform")["items"]))
	require.Equal(t, []string{"AIModel/acme-llm-gateway"}, refsOf(t, ask("filter=metadata.tags=llm")["items"]))
	require.Equal(t, []string{"AIModel/acme-llm-gateway"}, refsOf(t, ask("filter=metadata.annotations.backstage.io/techdocs-ref")["items"]))
	require.Equal(t, []string{"User/odile"}, refsOf(t, ask("fullTextFilterTerm=laurent")["items"]))

	first := ask("filter=kind=user&limit=4&orderField=metadata.name,desc")
	require.Equal(t, []string{"User/tara", "User/rosa", "User/odile", "User/li"}, refsOf(t, first["items"]))
	require.EqualValues(t, 6, first["totalItems"])
	cursor := first["pageInfo"].(map[string]any)["nextCursor"].(string)
	second := ask("limit=4&cursor=" + url.QueryEscape(cursor))
	require.Equal(t, []string{"User/jonas", "User/amir"}, refsOf(t, second["items"]))
	require.NotContains(t, second["pageInfo"], "nextCursor")
	require.Contains(t, second["pageInfo"], "prevCursor")

	posted := b.call("POST", "/api/catalog/entities/by-query", catalogToken, map[string]any{
		"query":  map[string]any{"$all": []any{map[string]any{"kind": map[string]any{"$in": []any{"user", "group"}}}, map[string]any{"$not": map[string]any{"kind": "group"}}}},
		"fields": []any{"kind", "metadata.name"}, "limit": 1, "orderBy": []any{map[string]any{"field": "metadata.name", "order": "asc"}},
	})
	require.Equal(t, []string{"User/amir"}, refsOf(t, posted.json(t)["items"]))

	byRefs := b.call("POST", "/api/catalog/entities/by-refs?filter=kind=user", catalogToken, map[string]any{
		"entityRefs": []any{"user:default/rosa", "user:rosa", "group:default/audit", "a:b:c", "user:default/none"}, "fields": []any{"metadata.name"},
	})
	rosa := map[string]any{"metadata": map[string]any{"name": "rosa"}}
	require.Equal(t, []any{rosa, rosa, nil, nil, nil}, byRefs.json(t)["items"])

	facets := b.call("GET", "/api/catalog/entity-facets?facet=kind&filter=kind=user&filter=kind=aimodel", catalogToken, nil)
	require.JSONEq(t, `{"facets":{"kind":[{"value":"AIModel","count":1},{"value":"User","count":6}]}}`, string(facets.raw))
	for _, bad := range []string{"cursor=nonsense", "orderField=metadata.name,sideways", "limit=-1"} {
		require.Equal(t, 400, b.call("GET", "/api/catalog/entities/by-query?"+bad, catalogToken, nil).status, bad)
	}
	listed := b.call("GET", "/api/catalog/entities?filter=kind=user&limit=2&order=asc:metadata.name&fields=metadata.name", catalogToken, nil)
	require.Contains(t, listed.header.Get("Link"), `rel="next"`)
	require.JSONEq(t, `[{"metadata":{"name":"amir"}},{"metadata":{"name":"jonas"}}]`, string(listed.raw))
}

func TestCatalog_Access_NeedsAValidBearer(t *testing.T) {
	t.Parallel()
	b := start(t)
	const path = "/api/catalog/entities/by-name/user/default/rosa"
	for token, message := range map[string]string{"": "Missing credentials", "Bearer nonsense": "Illegal token"} {
		a := b.call("GET", path, token, nil)
		require.Equal(t, 401, a.status)
		require.Equal(t, message, a.json(t)["error"].(map[string]any)["message"])
	}
	i, err := issuer.Open(b.dir+"/issuer", b.url+"/issuer")
	require.NoError(t, err)
	token, err := i.Token(issuer.Claims{Sub: "user:default/rosa"})
	require.NoError(t, err)
	require.Equal(t, 200, b.call("GET", path, "Bearer "+token, nil).status)
	require.Equal(t, 200, b.call("GET", "/issuer/v1/userinfo", "Bearer "+token, nil).status)
	unknown := b.call("GET", "/api/catalog/nothing", "Bearer "+token, nil)
	require.Equal(t, 404, unknown.status)
	require.Empty(t, unknown.raw)
}

func TestCatalog_People_AreBroughtIntoAllDirectories(t *testing.T) {
	t.Parallel()
	b := start(t)
	const path = "/api/catalog/_sandbox/people/nora"
	body := map[string]any{"displayName": "Nora Holm", "groups": []any{"group:new-team", "payments-team"}}
	require.Equal(t, 401, b.call("PUT", path, "", body).status)
	require.Equal(t, 400, b.call("PUT", path, catalogToken, map[string]any{"groups": []any{"group:../x"}}).status)
	require.Equal(t, 200, b.call("PUT", path, catalogToken, body).status)
	user := b.call("GET", "/api/catalog/entities/by-name/user/default/nora", catalogToken, nil).json(t)
	require.Contains(t, user["relations"], map[string]any{"type": "memberOf", "targetRef": "group:default/new-team"})
	require.Equal(t, 200, b.call("GET", "/api/catalog/entities/by-name/group/default/new-team", catalogToken, nil).status)
	require.Equal(t, 200, b.call("GET", "/okta/api/v1/users/nora@acme.example", "SSWS "+tokens.Okta, nil).status)
	require.Empty(t, b.now.Load().Counts().Effects)
}

func TestCatalog_Entities_ArePutThereByTheStack(t *testing.T) {
	t.Parallel()
	b := start(t)
	const path = "/api/catalog/_sandbox/entities"
	listed := []any{map[string]any{
		"apiVersion": "scaffolder.backstage.io/v1beta3", "kind": "Template", "metadata": map[string]any{"name": "x", "annotations": map[string]any{"a": "b"}},
		"spec": map[string]any{"type": "service", "owner": "platform-team", "steps": []any{}},
	}}
	require.Equal(t, 401, b.call("PUT", path, "", listed).status)
	require.Equal(t, 400, b.call("PUT", path, catalogToken, []any{map[string]any{"kind": "Template"}}).status)
	for range 2 {
		require.Equal(t, 204, b.call("PUT", path, catalogToken, listed).status)
	}
	entity := b.call("GET", "/api/catalog/entities/by-name/template/default/x", catalogToken, nil).json(t)
	require.Contains(t, entity["relations"], map[string]any{"type": "ownedBy", "targetRef": "group:default/platform-team"})
	require.Equal(t, "b", entity["metadata"].(map[string]any)["annotations"].(map[string]any)["a"])
}

func TestCatalog_Location_AsGitHubComHasIt(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.published("listed", "public", map[string]string{"template.yaml": `{apiVersion: scaffolder.backstage.io/v1beta3, kind: Template, metadata: {name: t}, spec: {type: x, steps: []}}`})
	made := b.call("POST", "/api/catalog/locations", catalogToken, map[string]any{"type": "url", "target": "https://github.com/acme-org/listed/blob/main/template.yaml"})
	require.Equal(t, 201, made.status)
	entity := b.call("GET", "/api/catalog/entities/by-name/template/default/t", catalogToken, nil).json(t)
	annotations := entity["metadata"].(map[string]any)["annotations"].(map[string]any)
	require.Equal(t, "url:https://github.com/acme-org/listed/tree/main/", annotations["backstage.io/source-location"])
}

func TestCatalog_ValidateEntity_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := start(t)
	validate := func(entity map[string]any) answer {
		return b.call("POST", "/api/catalog/validate-entity", catalogToken, map[string]any{"location": "url:http://localhost/catalog-info.yaml", "entity": entity})
	}
	entity := func(kind, version string, spec any) map[string]any {
		e := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": "v"}}
		if spec != nil {
			e["spec"] = spec
		}
		return e
	}
	good := validate(entity("Component", "backstage.io/v2", map[string]any{"type": "service", "lifecycle": "x", "owner": "me"}))
	require.Equal(t, 200, good.status)
	require.Empty(t, good.raw)
	missing := validate(entity("Component", "backstage.io/v1alpha1", nil))
	require.Equal(t, 400, missing.status)
	require.Contains(t, string(missing.raw), "Processor BuiltinKindsEntityProcessor threw an error while validating the entity component:default/v; "+
		"caused by TypeError: \\u003croot\\u003e must have required property 'spec' - missingProperty: spec")
	unknown := validate(entity("Nope", "x/v1", nil))
	require.JSONEq(t, `{"errors":[{"name":"InputError","message":"No processor recognized the entity nope:default/v as valid, possibly caused by a foreign kind or apiVersion"}]}`, string(unknown.raw))
}
