package catalog

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

type location struct {
	ID     string `json:"id,omitempty"`
	Type   string `json:"type"`
	Target string `json:"target"`
}

// What a call remembers. The catalog keeps no mark of whose a location is, so ours is known by the id that our
// registration was answered with. As a call that was undone can be done again, a registration is named by the id of
// the one before it.
const (
	existed = "existed" // whether the location was there before our effect: then it is somebody else's
	asked   = "asked/"  // which attempt was the first that asked the catalog to register it
	made    = "made/"   // the id of the location, "" if it turned out to be somebody else's
)

// newest gives the id of the last location that the call is known to have registered, "" if there is none.
func newest(ctx context.Context, call *activities.Call) (id string, foreign bool, err error) {
	for {
		var next string
		done, err := call.Recall(ctx, made+id, &next)
		if err != nil || !done || next == "" {
			return id, done && next == "", err
		}
		id = next
	}
}

func (c *Client) register(ctx context.Context, call *activities.Call, in RegisterInput) (RegisterOutput, error) {
	target, err := in.target()
	if err != nil {
		return RegisterOutput{}, err
	}
	out := RegisterOutput{CatalogInfoURL: target}
	ref, err := c.ensure(ctx, call, target)
	if err != nil && in.Optional && fault.KindOf(err).Final() {
		call.Log("The location could not be registered: %s", fault.From(err).Public)
		return out, nil
	}
	if err != nil {
		return RegisterOutput{}, err
	}
	out.EntityRef = ref
	call.Log("Registered %s", target)
	return out, nil
}

// ensure reads the file before it registers the location, so that a broken file leaves nothing behind.
func (c *Client) ensure(ctx context.Context, call *activities.Call, target string) (string, error) {
	wanted := location{Type: "url", Target: target}
	var preview struct {
		Entities []person `json:"entities"`
	}
	err := c.call(ctx, http.MethodPost, "/locations", url.Values{"dryRun": {"true"}}, wanted, &preview)
	if errors.Is(err, fault.Invalid) || errors.Is(err, fault.NotFound) {
		return "", fault.Wrap(fault.Invalid, err, "the catalog can't read %s", target)
	}
	if err != nil {
		return "", err
	}
	var foreign bool
	err = call.Once(ctx, existed, &foreign, func(ctx context.Context) (any, error) {
		_, found, err := c.location(ctx, target)
		return found, err
	})
	if err != nil {
		return "", err
	}
	if foreign {
		return "", alreadyThere(target)
	}
	if err := c.claim(ctx, call, wanted); err != nil {
		return "", err
	}
	return mainEntity(preview.Entities), nil
}

func alreadyThere(target string) error {
	return fault.New(fault.Conflict, "the location %s already exists", target)
}

// claim makes the location exist and ours.
func (c *Client) claim(ctx context.Context, call *activities.Call, wanted location) error {
	id, foreign, err := newest(ctx, call)
	if err != nil {
		return err
	}
	now, found, err := c.location(ctx, wanted.Target)
	if err != nil || found && now.ID == id {
		return err
	}
	if !foreign {
		attempt, first := rand.Text(), ""
		if err := call.Once(ctx, asked+id, &first, func(context.Context) (any, error) { return attempt, nil }); err != nil {
			return err
		}
		err := call.Once(ctx, made+id, &id, func(ctx context.Context) (any, error) { return c.post(ctx, wanted, attempt == first) })
		if err != nil {
			return err
		}
		foreign = id == ""
	}
	if foreign {
		return alreadyThere(wanted.Target)
	}
	if now, found, err = c.location(ctx, wanted.Target); err == nil && (!found || now.ID != id) {
		err = fault.New(fault.Unavailable, "the catalog does not show the location %s yet", wanted.Target)
	}
	return err
}

// post registers a location and gives its id, "" if it is somebody else's. The first attempt that asks knows that a
// conflict is not its own doing. A later one takes the location for that of an attempt whose answer was lost: all
// that it can mistake is one that somebody registered between the two.
func (c *Client) post(ctx context.Context, wanted location, first bool) (string, error) {
	var answer struct {
		Location location `json:"location"`
	}
	err := c.call(ctx, http.MethodPost, "/locations", nil, wanted, &answer)
	switch {
	case errors.Is(err, fault.Conflict) && first:
		return "", nil
	case errors.Is(err, fault.Conflict):
		now, found, err := c.location(ctx, wanted.Target)
		if err == nil && !found {
			err = fault.New(fault.Unavailable, "the catalog does not show the location %s yet", wanted.Target)
		}
		return now.ID, err
	case err == nil && answer.Location.ID == "":
		return "", fault.New(fault.Unavailable, "the catalog does not tell the id of the location %s", wanted.Target)
	default:
		return answer.Location.ID, err
	}
}

// mainEntity chooses as Backstage does: a component, else anything, generated locations last.
func mainEntity(entities []person) string {
	var component, other, any string
	for _, e := range entities {
		ref, err := e.ref()
		if err != nil {
			continue
		}
		generated := strings.HasPrefix(ref.Name, "generated-")
		switch {
		case component == "" && !generated && ref.Kind == "component":
			component = ref.String()
		case other == "" && !generated:
			other = ref.String()
		case any == "":
			any = ref.String()
		}
	}
	for _, ref := range []string{component, other, any} {
		if ref != "" {
			return ref
		}
	}
	return ""
}

func (c *Client) location(ctx context.Context, target string) (location, bool, error) {
	var all []struct {
		Data location `json:"data"`
	}
	if err := c.call(ctx, http.MethodGet, "/locations", nil, nil, &all); err != nil {
		return location{}, false, err
	}
	for _, l := range all {
		if l.Data.Type == "url" && l.Data.Target == target {
			return l.Data, true, nil
		}
	}
	return location{}, false, nil
}

func (c *Client) unregister(ctx context.Context, call *activities.Call, in RegisterInput, _ RegisterOutput, why string) error {
	target, err := in.target()
	if err != nil {
		return err
	}
	id, foreign, err := newest(ctx, call)
	if err != nil || foreign {
		return err
	}
	l, found, err := c.location(ctx, target)
	if err != nil || !found {
		return err
	}
	if l.ID != id { // somebody else's, unless the answer to our request was lost
		var first string
		if lost, err := call.Recall(ctx, asked+id, &first); err != nil || !lost {
			return err
		}
		if err := call.Once(ctx, made+id, &id, func(context.Context) (any, error) { return l.ID, nil }); err != nil {
			return err
		}
	}
	err = c.call(ctx, http.MethodDelete, "/locations/"+url.PathEscape(id), nil, nil, nil)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	if l, found, err := c.location(ctx, target); err != nil {
		return err
	} else if found && l.ID == id {
		return fault.New(fault.Unavailable, "the catalog still shows the location %s", target)
	}
	call.Log("Removed the location %s: %s", target, why)
	return nil
}

func (in RegisterInput) valid() error {
	if activities.StandsIn(in.CatalogInfoURL + in.RepoContentsURL + in.CatalogInfoPath) {
		return nil
	}
	_, err := in.target()
	input := "repoContentsUrl"
	if in.CatalogInfoURL != "" {
		input = "catalogInfoUrl"
	}
	return activities.At(input, err)
}

func (in RegisterInput) target() (string, error) {
	if in.CatalogInfoURL != "" {
		if in.CatalogInfoPath != "" {
			return "", fault.New(fault.Invalid, "catalogInfoPath belongs to repoContentsUrl, not to catalogInfoUrl")
		}
		u, err := url.Parse(in.CatalogInfoURL)
		if err != nil || u.Host == "" || u.User != nil {
			return "", fault.New(fault.Invalid, "catalogInfoUrl is not a URL of a file")
		}
		return in.CatalogInfoURL, nil
	}
	u, err := url.Parse(in.RepoContentsURL)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fault.New(fault.Invalid, "repoContentsUrl is not a URL of a repository")
	}
	file := in.CatalogInfoPath
	if file == "" {
		file = "/" + defaultFile
	}
	// Source forges show a file below …/<owner>/<repo>/blob/<branch>; Backstage registers its /tree/ twin.
	folder := strings.TrimSuffix(strings.Replace(u.Path, "/blob/", "/tree/", 1), "/")
	if before, after, ok := strings.Cut(folder, "/tree/"); ok && strings.HasPrefix(file, "/") {
		branch, _, _ := strings.Cut(after, "/")
		folder = before + "/tree/" + branch
	}
	clean := path.Clean("/" + file)
	return u.ResolveReference(&url.URL{Path: folder + clean}).String(), nil
}

// fullRef reads a ref with the defaults that the step gives.
func fullRef(s, kind, namespace string) (plan.EntityRef, error) {
	if namespace != "" && !strings.Contains(s, "/") {
		if k, name, ok := strings.Cut(s, ":"); ok {
			s = k + ":" + namespace + "/" + name
		} else {
			s = namespace + "/" + s
		}
	}
	return parseRef(s, strings.ToLower(kind))
}
