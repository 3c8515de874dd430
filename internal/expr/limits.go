package expr

// The budget of one evaluation, as the reference implementation has it. Text is measured in UTF-16 units.
const (
	maxSourceUnits     = 4 << 20
	maxNodes           = 1_000_000
	maxWork            = 1_000_000
	maxNesting         = 512
	maxOutputUnits     = 16 << 20
	maxScratchBytes    = 64 << 20
	maxCalls           = 4096
	maxContainerLength = 100_000
	maxValueDepth      = 256
	maxRepeatedSpaces  = 16 << 20
	maxRegexUnits      = 16384
	// maxRegexSteps bounds the backtracking of all the expressions that one evaluation matches, maxRegexDepth the
	// number of rounds and groups that one match has open.
	maxRegexSteps = 20_000_000
	maxRegexDepth = 400_000
	// maxTreeHeight bounds recursion over trees that are deep without nesting, such as a sum of many terms. Such a
	// tree exceeds maxNesting when evaluated.
	maxTreeHeight = 20_000
	// textPerWork is how many bytes of text cost one unit of work: walking a long string is not free.
	textPerWork = 1024
	// contextCheckWork is how many units of work pass between two looks at the context.
	contextCheckWork = 1024
	// settleRegexSteps is how many steps of a match pass between two looks at budget and context.
	settleRegexSteps = 1024
)

const (
	limitSource     = "source code unit"
	limitNodes      = "AST node"
	limitWork       = "work unit"
	limitNesting    = "nesting depth"
	limitOutput     = "output code unit"
	limitScratch    = "scratch byte"
	limitCalls      = "capability call"
	limitDeadline   = "deadline"
	limitRegex      = "regular expression step"
	limitRegexDepth = "regular expression depth"
)
