package fetch

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

func TestPin_EveryVendor_TheCommitOfTheMoment(t *testing.T) {
	t.Parallel()
	const asGitHub = `{"sha":"` + sha + `","commit":{"author":{"name":"Rosa"},"committer":{"date":"2026-01-02T03:04:05Z"}}}`
	for name, c := range map[string]struct {
		integration               Integration
		at, named, pinned, shared string
		root, inside              string
		asked                     map[string]string
	}{
		"github": {
			integration: Integration{Type: "github", Host: "github.com", Secret: secrets.New("t")},
			at:          "https://github.com/acme/all/blob/main/a%20b", named: "https://github.com/acme/all/tree/main/a%20b/x/template.yaml",
			pinned: "https://github.com/acme/all/tree/" + sha + "/a%20b/x/template.yaml", root: "https://github.com/acme/all/tree/main", inside: "a b",
			shared: "https://github.com/acme/all/tree/" + sha + "/a%20b/shared",
			asked:  map[string]string{"api.github.com /repos/acme/all/commits/main": asGitHub},
		},
		"github, the default branch": {
			integration: Integration{Type: "github", Host: "github.com", Secret: secrets.New("t")},
			at:          "https://github.com/acme/all", named: "https://github.com/acme/all/tree/HEAD/x/template.yaml",
			pinned: "https://github.com/acme/all/tree/" + sha + "/x/template.yaml", root: "https://github.com/acme/all", inside: ".",
			shared: "https://github.com/acme/all/tree/" + sha + "/shared",
			asked:  map[string]string{"api.github.com /repos/acme/all/commits/HEAD": asGitHub},
		},
		"gitlab": {
			integration: Integration{Type: "gitlab", Host: "gitlab.com", Secret: secrets.New("t")},
			at:          "https://gitlab.com/g/s/all/-/tree/main/t", named: "https://gitlab.com/g/s/all/-/tree/main/t/x/template.yaml",
			pinned: "https://gitlab.com/g/s/all/-/tree/" + sha + "/t/x/template.yaml", root: "https://gitlab.com/g/s/all/-/tree/main", inside: "t",
			shared: "https://gitlab.com/g/s/all/-/tree/" + sha + "/t/shared",
			asked: map[string]string{
				"gitlab.com /api/v4/projects/g%2Fs%2Fall/repository/commits/main": `{"id":"` + sha + `","author_name":"Rosa","committed_date":"2026-01-02T03:04:05Z"}`,
			},
		},
		"bitbucketCloud": {
			integration: Integration{Type: "bitbucketCloud", Host: "bitbucket.org", Secret: secrets.New("t")},
			at:          "https://bitbucket.org/w/all", named: "https://bitbucket.org/w/all/src/trunk/x/template.yaml",
			pinned: "https://bitbucket.org/w/all/src/" + sha + "/x/template.yaml", root: "https://bitbucket.org/w/all", inside: ".",
			shared: "https://bitbucket.org/w/all/src/" + sha + "/shared",
			asked: map[string]string{
				"api.bitbucket.org /2.0/repositories/w/all":              `{"mainbranch":{"name":"trunk"}}`,
				"api.bitbucket.org /2.0/repositories/w/all/commit/trunk": `{"hash":"` + sha + `","date":"2026-01-02T03:04:05+00:00","author":{"raw":"Rosa"}}`,
			},
		},
		"bitbucketServer": {
			integration: Integration{Type: "bitbucketServer", Host: "bb.acme.com", Secret: secrets.New("t")},
			at:          "https://bb.acme.com/users/jo/repos/all/browse/t?at=refs%2Fheads%2Fmain", named: "https://bb.acme.com/users/jo/repos/all/browse/t/x/template.yaml?at=refs%2Fheads%2Fmain",
			pinned: "https://bb.acme.com/users/jo/repos/all/browse/t/x/template.yaml?at=" + sha, root: "https://bb.acme.com/users/jo/repos/all/browse?at=refs%2Fheads%2Fmain", inside: "t",
			shared: "https://bb.acme.com/users/jo/repos/all/browse/t/shared?at=" + sha,
			asked: map[string]string{
				"bb.acme.com /rest/api/1.0/projects/~jo/repos/all/commits?limit=1&until=refs%2Fheads%2Fmain": `{"values":[{"id":"` + sha + `","author":{"name":"Rosa"},"committerTimestamp":1767323045000}]}`,
			},
		},
		"gitea": {
			integration: Integration{Type: "gitea", Host: "gitea.acme.com", Secret: secrets.New("t")},
			at:          "https://gitea.acme.com/acme/all/src/branch/main/t", named: "https://gitea.acme.com/acme/all/src/branch/main/t/x/template.yaml",
			pinned: "https://gitea.acme.com/acme/all/src/commit/" + sha + "/t/x/template.yaml", root: "https://gitea.acme.com/acme/all/src/branch/main", inside: "t",
			shared: "https://gitea.acme.com/acme/all/src/commit/" + sha + "/t/shared",
			asked:  map[string]string{"gitea.acme.com /api/v1/repos/acme/all/git/commits/main": asGitHub},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			double := &hosts{answers: map[string][]byte{}}
			for key, answer := range c.asked {
				double.answers[key+" application/json"] = []byte(answer)
			}
			s := internet(t, double, []Integration{c.integration}, nil)
			at, err := url.Parse(c.at)
			require.NoError(t, err)
			pinned, err := s.Pin(t.Context(), at)
			require.NoError(t, err, double.asked)
			require.Equal(t, []string{sha, "Rosa"}, []string{pinned.ID, pinned.Author})
			require.True(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Equal(pinned.At), pinned.At)
			named, fixed := pinned.Below("x/template.yaml")
			require.Equal(t, []string{c.named, c.pinned}, []string{named, fixed})
			for _, line := range double.asked {
				require.Regexp(t, ` (Bearer|token) t$`, line)
			}
			resolved, err := Options{Sources: s}.address(fixed, "../shared")
			require.NoError(t, err)
			require.Equal(t, c.shared, resolved.String(), "what leads out of the folder is of the same commit")

			root, inside, err := s.Repository(at)
			require.NoError(t, err)
			require.Equal(t, []string{c.root, c.inside}, []string{root.String(), inside})
			again, err := s.Pin(t.Context(), root)
			require.NoError(t, err)
			require.Equal(t, pinned.ID, again.ID)
		})
	}
}

func TestPin_WhatIsNoRepository_Refused(t *testing.T) {
	t.Parallel()
	double := &hosts{answers: map[string][]byte{"api.github.com /repos/a/b/commits/main application/json": []byte(`{"sha":"../../x"}`)}}
	s := internet(t, double, []Integration{{Type: "github", Host: "github.com"}}, []Allowed{{Host: "files.acme.com"}})
	for at, kind := range map[string]fault.Kind{
		"https://files.acme.com/a/b":             fault.Invalid,
		"https://evil.com/a/b":                   fault.Denied,
		"http://github.com/a/b":                  fault.Denied,
		"https://github.com/a":                   fault.Invalid,
		"https://github.com/a/none/tree/main":    fault.NotFound,
		"https://github.com/a/b/tree/main":       fault.Unavailable,
		"https://u:p@github.com/a/b/tree/main":   fault.Invalid,
		"https://github.com/a/b/tree/main/../..": fault.Denied,
	} {
		parsed, err := url.Parse(at)
		require.NoError(t, err)
		_, err = s.Pin(t.Context(), parsed)
		require.ErrorIs(t, err, kind, at)
	}
}
