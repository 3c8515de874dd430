package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/dev"
)

const org = "acme-org"

// repository clones with the git program, as anyone would.
func repository(ctx context.Context, e dev.Endpoints) check {
	c := check{what: "the repository, cloned with git"}
	dir, err := os.MkdirTemp("", "gildway-clone-")
	if err != nil {
		c.err = err
		return c
	}
	defer os.RemoveAll(dir)
	address, err := url.Parse(e.Sandbox["github"] + "/" + org + "/" + service + ".git")
	if err != nil {
		c.err = err
		return c
	}
	address.User = url.UserPassword("x-access-token", e.Providers["github"])
	clone := exec.CommandContext(ctx, "git", "clone", "--quiet", address.String(), dir)
	if said, err := clone.CombinedOutput(); err != nil {
		c.err = fmt.Errorf("git clone: %w: %s", err, said)
		return c
	}
	files, err := listFiles(dir)
	for _, want := range []string{"catalog-info.yaml", "package.json", "Dockerfile", ".github/workflows/ci.yaml"} {
		if !slices.Contains(files, want) {
			err = errors.Join(err, fmt.Errorf("%s is not there", want))
		}
	}
	c.err, c.found = err, fmt.Sprintf("%d files: %s", len(files), strings.Join(files, " "))
	return c
}

func listFiles(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, name)
		return err
	})
	return files, err
}

// entity reads the new component back from the catalog.
func entity(ctx context.Context, e dev.Endpoints) check {
	c := check{what: "the entity, in the catalog"}
	var found struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct{ Owner string }
	}
	c.err = get(ctx, e.Sandbox["catalog"]+"/entities/by-name/component/default/"+service, "Bearer "+e.Providers["catalog"], &found)
	if c.err == nil && found.Metadata.Name != service {
		c.err = fmt.Errorf("the catalog answers with %q", found.Metadata.Name)
	}
	c.found = fmt.Sprintf("%s %s, owned by %s", found.Kind, found.Metadata.Name, found.Spec.Owner)
	return c
}

// memberships lists who is in the groups that the runs granted.
func memberships(ctx context.Context, e dev.Endpoints) (checks []check) {
	for _, group := range []string{"llm-gateway-users", "ai-coding-assistants"} {
		c := check{what: "Okta group " + group}
		logins, err := members(ctx, e, group)
		c.err, c.found = err, strings.Join(logins, ", ")
		if err == nil && !slices.ContainsFunc(logins, func(l string) bool { return strings.HasPrefix(l, "rosa@") }) {
			c.err = fmt.Errorf("the requester is not among %v", logins)
		}
		checks = append(checks, c)
	}
	return checks
}

func members(ctx context.Context, e dev.Endpoints, group string) ([]string, error) {
	auth := "SSWS " + e.Providers["okta"]
	base := e.Sandbox["okta"] + "/api/v1/groups"
	var groups []struct {
		ID      string
		Profile struct{ Name string }
	}
	if err := get(ctx, base+"?q="+url.QueryEscape(group), auth, &groups); err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Profile.Name != group {
			continue
		}
		var users []struct{ Profile struct{ Login string } }
		err := get(ctx, base+"/"+url.PathEscape(g.ID)+"/users", auth, &users)
		logins := make([]string, 0, len(users))
		for _, u := range users {
			logins = append(logins, u.Profile.Login)
		}
		return logins, err
	}
	return nil, errors.New("there is no such group")
}

// ticket reads the compliance ticket of a run.
func ticket(ctx context.Context, e dev.Endpoints, task string) check {
	c := check{what: "the ticket, in ServiceNow"}
	var list struct {
		Result []struct {
			Number        string
			State         string
			CorrelationID string `json:"correlation_id"`
			Description   string `json:"short_description"`
		}
	}
	query := url.QueryEscape("correlation_idSTARTSWITH" + task)
	c.err = getBasic(ctx, e.Sandbox["servicenow"]+"/api/now/table/sc_task?sysparm_query="+query, e.Providers["servicenow"], &list)
	switch {
	case c.err != nil:
	case len(list.Result) != 1:
		c.err = fmt.Errorf("%d tickets, not one", len(list.Result))
	case list.Result[0].State != "3":
		c.err = fmt.Errorf("%s is in state %s, not 3 (closed complete)", list.Result[0].Number, list.Result[0].State)
	default:
		c.found = fmt.Sprintf("%s, state %s (closed complete): %s", list.Result[0].Number, list.Result[0].State, list.Result[0].Description)
	}
	return c
}

func get(ctx context.Context, address, authorization string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", authorization)
	return do(req, into)
}

func getBasic(ctx context.Context, address, credentials string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	user, password, _ := strings.Cut(credentials, ":")
	req.SetBasicAuth(user, password)
	return do(req, into)
}

func do(req *http.Request, into any) error {
	req.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %.200s", req.URL.Path, answer.Status, body)
	}
	return json.Unmarshal(body, into)
}
