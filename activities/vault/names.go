package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// names are where a minted key lives. All of them follow from the call, so that another attempt and
// Undo find what the first attempt made.
type names struct {
	path     string // of the key in the KV mount: <team>/<tool>/<task>
	role     string // of the token role and of the policy
	handover string // <task>/<step>
	mark     string // the call's key, kept in the key's metadata
}

var (
	word     = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	unsafe   = regexp.MustCompile(`[^a-z0-9]+`)
	safeName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

func namesOf(call *activities.Call, r Request) (names, error) {
	team, err := segment(r.Team, "group")
	if err != nil {
		return names{}, fault.New(fault.Invalid, "team %q is not a group ref", r.Team)
	}
	tool, err := segment(r.Tool, "toolchain")
	if err != nil {
		return names{}, fault.New(fault.Invalid, "tool %q is neither a word nor an entity ref", r.Tool)
	}
	task := sanitise(call.Run.Task)
	step := stepName(call.Step, call.Iteration)
	return names{
		path:     team + "/" + tool + "/" + task,
		role:     "gildway-key-" + task + "-" + step,
		handover: task + "/" + step,
		mark:     call.Key,
	}, nil
}

// segment is a path segment for an entity: its name, after its namespace unless that is the default.
// "~" can't stand in either, so that two entities never share a segment.
func segment(s, kind string) (string, error) {
	ref, err := plan.ParseEntityRef(s, kind)
	if err != nil || !word.MatchString(ref.Name) {
		return "", fault.New(fault.Invalid, "%q names no entity", s)
	}
	if ref.Namespace != "default" {
		return ref.Namespace + "~" + ref.Name, nil
	}
	return ref.Name, nil
}

// stepName names a step and its iteration in [a-z0-9-]. What had to be changed for that gets a part of
// its hash, so that two steps never share a name.
func stepName(step, iteration string) string {
	name := sanitise(step)
	if iteration != "" {
		name += "-" + sanitise(iteration) + "-" + digest(iteration)
	}
	return name
}

func sanitise(s string) string {
	if safeName.MatchString(s) && len(s) <= 63 {
		return s
	}
	short := strings.Trim(unsafe.ReplaceAllString(strings.ToLower(s), "-"), "-")
	short = strings.Trim(short[:min(len(short), 40)], "-")
	return strings.TrimPrefix(short+"-"+digest(s), "-")
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
