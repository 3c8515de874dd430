package activities

// ForeseeActivity is the activity type that looks at what an action would meet: Invocation -> Foreseen.
func ForeseeActivity(action string) string { return action + ".foresee" }

// LookWorkflow is the workflow type that has an action foresee for a dry run, which has no credentials of its own: Look is
// its input, Foreseen its result.
const LookWorkflow = "gildway:look"

// Look asks what a call would meet.
type Look struct {
	Action string     `json:"action"`
	Queue  string     `json:"queue"`
	Call   Invocation `json:"call"`
}

// ID is the id of the workflow that looks.
func (l Look) ID() string { return "look/" + l.Call.Key() }

// Foreseen is what a call would meet.
type Foreseen struct {
	Met   []string `json:"met,omitempty"`   // a sentence each: "find kim in the group already"
	Fails string   `json:"fails,omitempty"` // why it would fail
}
