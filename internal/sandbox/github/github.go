// Package github is a double of GitHub: the REST API for what a platform does with repositories, and
// real bare git repositories behind it that any git client can clone and push.
package github

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// Buckets of the ledger.
const (
	ownersBucket = "github.owners" // login, lower case
	teamsBucket  = "github.teams"  // org/slug, lower case
	reposBucket  = "github.repos"  // owner/name, lower case
	idsBucket    = "github.ids"
	keysBucket   = "github.keys"
)

// The accounts that the accepted tokens belong to.
const (
	actor  = "gildway-bot"
	person = "rosa"
)

// Owner is an account that can have repositories.
type Owner struct {
	Login string `json:"login" yaml:"login"`
	Type  string `json:"type" yaml:"type"` // Organization or User
	Name  string `json:"name" yaml:"name"`
}

// Team is a team of an organization.
type Team struct {
	Org  string `json:"org" yaml:"org"`
	Slug string `json:"slug" yaml:"slug"`
	Name string `json:"name" yaml:"name"`
}

// Options are what a Double needs.
type Options struct {
	Ledger *ledger.Ledger
	Dir    string // holds the bare repositories
	URL    string // public URL of the double, e.g. http://127.0.0.1:7790/github
	Token  string // the token that is accepted
	Person string // one of rosa's own that is accepted, too
	OnPush func(owner, repo string)
}

// Double answers as api.github.com and github.com do, on one handler.
type Double struct {
	Options
	git     gitStore
	rest    *http.ServeMux
	web     *http.ServeMux
	meter   rest.Meter
	public  [32]byte // given to clients that set secrets
	private [32]byte
	busy    sync.Map // repository id → *sync.Mutex, held while git changes it
}

// Open prepares the double and counts pushes that a killed predecessor had taken but not counted.
func Open(o Options) (*Double, error) {
	git, err := openGitStore(o.Dir)
	if err != nil {
		return nil, err
	}
	d := &Double{Options: o, git: git, meter: rest.Meter{Limit: 15000, Length: time.Hour}}
	if d.public, d.private, err = keyPair(o.Ledger); err != nil {
		return nil, err
	}
	d.routes()
	return d, d.recover(context.Background())
}

// recover brings git and ledger together after a crash: folders without a repository go, unseen pushes are counted.
func (d *Double) recover(ctx context.Context) error {
	var repos []repository
	d.Ledger.View(func(tx *ledger.Tx) { repos = ledger.All[repository](tx, reposBucket, "") })
	known := map[string]bool{}
	for _, r := range repos {
		known[strconv.FormatInt(r.ID, 10)+".git"] = true
		if err := d.settle(ctx, r); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(d.git.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".git") && !known[e.Name()] {
			if err := os.RemoveAll(d.git.root + "/" + e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Seed makes accounts and teams known without counting them.
func Seed(tx *ledger.Tx, owners []Owner, teams []Team) {
	owners = append(owners, Owner{Login: actor, Type: "User", Name: "Gildway"})
	for _, o := range owners {
		tx.Put(ownersBucket, strings.ToLower(o.Login), o)
	}
	for _, t := range teams {
		tx.Put(teamsBucket, strings.ToLower(t.Org+"/"+t.Slug), t)
	}
}

func (d *Double) routes() {
	m := http.NewServeMux()
	d.rest = m
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		rest.JSON(w, 200, map[string]string{"current_user_url": d.URL + "/user"})
	})
	m.HandleFunc("GET /meta", func(w http.ResponseWriter, r *http.Request) {
		rest.JSON(w, 200, map[string]any{"verifiable_password_authentication": false})
	})
	m.HandleFunc("GET /rate_limit", d.rateLimit)
	m.HandleFunc("GET /user", d.signedIn(d.getUser))
	m.HandleFunc("GET /user/repos", d.signedIn(d.listMyRepos))
	m.HandleFunc("GET /user/orgs", d.signedIn(d.listMyOrgs))
	m.HandleFunc("GET /users/{owner}", d.getOwner)
	m.HandleFunc("GET /orgs/{owner}", d.getOrg)
	m.HandleFunc("GET /orgs/{owner}/repos", d.listRepos)
	m.HandleFunc("GET /users/{owner}/repos", d.listRepos)
	m.HandleFunc("POST /orgs/{owner}/repos", d.signedIn(d.createOrgRepo))
	m.HandleFunc("POST /user/repos", d.signedIn(d.createUserRepo))
	m.HandleFunc("GET /orgs/{owner}/teams", d.signedIn(d.listTeams))
	m.HandleFunc("GET /orgs/{owner}/teams/{team}", d.signedIn(d.getTeam))
	m.HandleFunc("PUT /orgs/{owner}/teams/{team}/repos/{repoOwner}/{repo}", d.signedIn(d.putTeamRepo))
	m.HandleFunc("DELETE /orgs/{owner}/teams/{team}/repos/{repoOwner}/{repo}", d.signedIn(d.deleteTeamRepo))

	const repo = "/repos/{owner}/{repo}"
	m.HandleFunc("GET "+repo, d.reading(d.getRepo))
	m.HandleFunc("PATCH "+repo, d.writing(d.patchRepo))
	m.HandleFunc("DELETE "+repo, d.writing(d.deleteRepo))
	m.HandleFunc("GET "+repo+"/teams", d.reading(d.listRepoTeams))
	m.HandleFunc("GET "+repo+"/topics", d.reading(d.getTopics))
	m.HandleFunc("PUT "+repo+"/topics", d.writing(d.putTopics))
	m.HandleFunc("GET "+repo+"/properties/values", d.reading(d.getProperties))
	m.HandleFunc("PATCH "+repo+"/properties/values", d.writing(d.patchProperties))
	m.HandleFunc("GET "+repo+"/collaborators", d.writing(d.listCollaborators))
	m.HandleFunc("PUT "+repo+"/collaborators/{user}", d.writing(d.putCollaborator))
	m.HandleFunc("DELETE "+repo+"/collaborators/{user}", d.writing(d.deleteCollaborator))
	m.HandleFunc("POST "+repo+"/actions/variables", d.writing(d.postVariable))
	m.HandleFunc("GET "+repo+"/actions/variables", d.writing(d.listVariables))
	m.HandleFunc("GET "+repo+"/actions/variables/{name}", d.writing(d.getVariable))
	m.HandleFunc("PATCH "+repo+"/actions/variables/{name}", d.writing(d.patchVariable))
	m.HandleFunc("GET "+repo+"/actions/secrets/public-key", d.writing(d.getSecretKey))
	m.HandleFunc("GET "+repo+"/actions/secrets", d.writing(d.listSecrets))
	m.HandleFunc("GET "+repo+"/actions/secrets/{name}", d.writing(d.getSecret))
	m.HandleFunc("PUT "+repo+"/actions/secrets/{name}", d.writing(d.putSecret))
	m.HandleFunc("GET "+repo+"/actions/oidc/customization/sub", d.writing(d.getSubject))
	m.HandleFunc("PUT "+repo+"/actions/oidc/customization/sub", d.writing(d.putSubject))
	m.HandleFunc("GET "+repo+"/subscription", d.writing(d.getSubscription))
	m.HandleFunc("PUT "+repo+"/subscription", d.writing(d.putSubscription))
	m.HandleFunc("GET "+repo+"/branches", d.reading(d.listBranches))
	m.HandleFunc("GET "+repo+"/branches/{branch}", d.reading(d.getBranch))
	m.HandleFunc("GET "+repo+"/branches/{branch}/protection", d.writing(d.getProtection))
	m.HandleFunc("PUT "+repo+"/branches/{branch}/protection", d.writing(d.putProtection))
	m.HandleFunc("DELETE "+repo+"/branches/{branch}/protection", d.writing(d.deleteProtection))
	m.HandleFunc("GET "+repo+"/branches/{branch}/protection/required_signatures", d.writing(d.getSignatures))
	m.HandleFunc("POST "+repo+"/branches/{branch}/protection/required_signatures", d.writing(d.setSignatures(true)))
	m.HandleFunc("DELETE "+repo+"/branches/{branch}/protection/required_signatures", d.writing(d.setSignatures(false)))
	m.HandleFunc("GET "+repo+"/contents", d.reading(d.getContents))
	m.HandleFunc("GET "+repo+"/contents/{path...}", d.reading(d.getContents))
	m.HandleFunc("GET "+repo+"/readme", d.reading(d.getContents))
	m.HandleFunc("GET "+repo+"/commits", d.reading(d.listCommits))
	m.HandleFunc("GET "+repo+"/commits/{ref}", d.reading(d.getCommit))
	m.HandleFunc("GET "+repo+"/commits/{ref}/status", d.reading(d.getStatus))
	m.HandleFunc("GET "+repo+"/git/ref/{ref...}", d.reading(d.getRef))
	m.HandleFunc("GET "+repo+"/git/trees/{sha}", d.reading(d.getTree))
	m.HandleFunc("GET "+repo+"/git/blobs/{sha}", d.reading(d.getBlob))
	m.HandleFunc("POST "+repo+"/git/blobs", d.writing(filled(d.postBlob)))
	m.HandleFunc("POST "+repo+"/git/trees", d.writing(filled(d.postTree)))
	m.HandleFunc("POST "+repo+"/git/commits", d.writing(filled(d.postCommit)))
	m.HandleFunc("GET "+repo+"/git/commits/{sha}", d.reading(filled(d.getGitCommit)))
	m.HandleFunc("POST "+repo+"/git/refs", d.writing(filled(d.postRef)))
	m.HandleFunc("PATCH "+repo+"/git/refs/{ref...}", d.writing(filled(d.patchRef)))
	m.HandleFunc("DELETE "+repo+"/git/refs/{ref...}", d.writing(filled(d.deleteRef)))
	m.HandleFunc("GET "+repo+"/pulls", d.reading(d.listPulls))
	m.HandleFunc("POST "+repo+"/pulls", d.writing(d.postPull))
	m.HandleFunc("GET "+repo+"/pulls/{number}", d.pulling(d.getPull))
	m.HandleFunc("PATCH "+repo+"/pulls/{number}", d.pulling(d.patchPull))
	m.HandleFunc("PUT "+repo+"/pulls/{number}/merge", d.pulling(d.mergePull))
	m.HandleFunc("POST "+repo+"/pulls/{number}/requested_reviewers", d.pulling(d.postReviewers))
	m.HandleFunc("POST "+repo+"/issues/{number}/assignees", d.pulling(d.postAssignees))
	m.HandleFunc("GET "+repo+"/tarball/{ref...}", d.reading(d.getTarball))
	m.HandleFunc("GET "+repo+"/tarball", d.reading(d.getTarball))

	// What is stored of a repository, for tests: the API shows less of some of it.
	m.HandleFunc("GET /_sandbox/repos/{owner}/{repo}", d.writing(func(w http.ResponseWriter, _ *http.Request, repo repository) {
		rest.JSON(w, 200, repo)
	}))

	m = http.NewServeMux()
	d.web = m
	m.HandleFunc("GET /{owner}/{repo}/info/refs", d.smart)
	m.HandleFunc("POST /{owner}/{repo}/git-upload-pack", d.smart)
	m.HandleFunc("POST /{owner}/{repo}/git-receive-pack", d.smart)
	m.HandleFunc("GET /{owner}/{repo}", d.page)
	m.HandleFunc("GET /{owner}/{repo}/tree/{path...}", d.page)
	m.HandleFunc("GET /{owner}/{repo}/blob/{path...}", d.page)
	m.HandleFunc("GET /{owner}/{repo}/raw/{path...}", d.page)
	m.HandleFunc("GET /{owner}/{repo}/archive/{path...}", d.archive)
}

// apiRoots are first path segments that belong to the API and can't be account names.
var apiRoots = map[string]bool{"": true, "_sandbox": true, "repos": true, "orgs": true, "users": true, "user": true, "meta": true, "rate_limit": true}

// ServeHTTP serves API and web paths below the double's prefix; /api/v3 is already taken off.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !apiRoots[first] {
		if _, pattern := d.web.Handler(r); pattern == "" {
			http.NotFound(w, r)
			return
		}
		d.web.ServeHTTP(w, r)
		return
	}
	d.headers(w, d.meter.Use(time.Now()))
	if d.access(r) == badToken {
		refuse(w, http.StatusUnauthorized, "Bad credentials", "")
		return
	}
	if _, pattern := d.rest.Handler(r); pattern == "" {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	d.rest.ServeHTTP(w, r)
}

type access int

const (
	anonymous access = iota
	badToken
	member // may read and write everything, as an app installed on all repositories
)

// access tells what the request's token lets it do.
func (d *Double) access(r *http.Request) access {
	if r.Header.Get("Authorization") == "" {
		return anonymous
	}
	if d.account(r) == "" {
		return badToken
	}
	return member
}

// account gives whose token a request carries, "" for a token of nobody: a bearer, a GitHub style "token" header, or basic
// auth as git sends it.
func (d *Double) account(r *http.Request) string {
	token, ok := rest.Token(r, "Bearer", "token")
	if !ok {
		user, password, basic := r.BasicAuth()
		if !basic {
			return ""
		}
		if token = password; password == "" || password == "x-oauth-basic" {
			token = user
		}
	}
	switch {
	case rest.Same(token, d.Token):
		return actor
	case rest.Same(token, d.Person):
		return person
	}
	return ""
}

func (d *Double) signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if d.access(r) != member {
			refuse(w, http.StatusUnauthorized, "Requires authentication", "")
			return
		}
		next(w, r)
	}
}

type repoHandler func(w http.ResponseWriter, r *http.Request, repo repository)

// reading finds the repository of the path; one that the caller may not see is not found.
func (d *Double) reading(next repoHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		repo, ok := d.find(r.PathValue("owner"), r.PathValue("repo"))
		if !ok || repo.private() && d.access(r) != member {
			refuse(w, http.StatusNotFound, "Not Found", "")
			return
		}
		next(w, r, repo)
	}
}

// writing is reading for members only. To anyone else GitHub hides the route.
func (d *Double) writing(next repoHandler) http.HandlerFunc {
	return d.reading(func(w http.ResponseWriter, r *http.Request, repo repository) {
		if d.access(r) != member {
			refuse(w, http.StatusUnauthorized, "Requires authentication", "")
			return
		}
		next(w, r, repo)
	})
}

func (d *Double) find(owner, name string) (repository, bool) {
	var repo repository
	var ok bool
	d.Ledger.View(func(tx *ledger.Tx) { repo, ok = ledger.Get[repository](tx, reposBucket, repoKey(owner, name)) })
	return repo, ok
}

func repoKey(owner, name string) string { return strings.ToLower(owner + "/" + name) }

func (d *Double) lock(id int64) (unlock func()) {
	m, _ := d.busy.LoadOrStore(id, &sync.Mutex{})
	m.(*sync.Mutex).Lock()
	return m.(*sync.Mutex).Unlock
}

// number is a stable id for things that have none of their own.
func number(kind, name string) int64 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %s", kind, strings.ToLower(name))
	return int64(h.Sum32())
}
