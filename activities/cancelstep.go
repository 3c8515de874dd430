package activities

// CancelStepMessage is an update of a run, and a signal from a run to the parts of its long loops; argument CancelStep.
const CancelStepMessage = "cancel-step"

// StepThen is what people want instead of what a step is at.
type StepThen string

// What they can want.
const (
	RetryStep StepThen = "retry" // it is tried now, and not when its turn to be tried again comes
	SkipStep  StepThen = "skip"  // the run goes on without it
	AbortStep StepThen = "abort" // it fails
)

// CancelStep stops the calls of a step that are under way, for something else. Their effects are looked up when the run is
// undone.
type CancelStep struct {
	Step      string   `json:"step"`
	Iteration string   `json:"iteration,omitempty"` // each.key of one item of a loop; "" means all that are under way
	Then      StepThen `json:"then"`
	By        string   `json:"by"` // canonical ref of who asked
	Why       string   `json:"why,omitempty"`
}
