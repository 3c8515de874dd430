package expr

// Node is one node of the syntax tree. Walk visits them; the concrete types are the ...Expr, ...Stmt types below.
type Node interface {
	// Pos is where the node starts, or, for operators, where its left operand does.
	Pos() Pos
	base() *node
}

type node struct {
	pos    Pos
	height int
}

func (n *node) Pos() Pos    { return n.pos }
func (n *node) base() *node { return n }

// Expressions.
type (
	// LiteralExpr is a string, float64, bool or nil (null).
	LiteralExpr struct {
		node
		Value any
	}
	// RegexExpr is r/source/flags.
	RegexExpr struct {
		node
		Source, Flags string
		program       *program
	}
	// NameExpr reads a variable, or names a binding where one is declared.
	NameExpr struct {
		node
		Name string
	}
	// ArrayExpr is [a, b].
	ArrayExpr struct {
		node
		Items []Node
	}
	// GroupExpr is (a) or (a, b); its value is the last item's.
	GroupExpr struct {
		node
		Items []Node
	}
	// ObjectExpr is {a: 1, "b": 2}.
	ObjectExpr struct {
		node
		Pairs []Pair
	}
	// LookupExpr is target.key (Key is a LiteralExpr) or target[key]; Key may be a SliceExpr.
	LookupExpr struct {
		node
		Target, Key Node
	}
	// SliceExpr is the start:stop:step of a lookup; absent parts are literals (null, null, 1).
	SliceExpr struct {
		node
		Start, Stop, Step Node
	}
	// CallExpr is fn(args).
	CallExpr struct {
		node
		Func Node
		Args Args
	}
	// FilterExpr is input | name(args).
	FilterExpr struct {
		node
		Name    string
		NamePos Pos
		Input   Node
		Args    Args
	}
	// TestExpr is left is right; Right is a NameExpr, a literal, or a CallExpr of one.
	TestExpr struct {
		node
		Left, Right Node
	}
	// IfExpr is body if cond else otherwise; Else may be nil.
	IfExpr struct {
		node
		Cond, Then, Else Node
	}
	// LogicExpr is left and right, left or right; it gives one of its operands.
	LogicExpr struct {
		node
		Or          bool
		Left, Right Node
	}
	// UnaryExpr has Op "not", "-", "+" or "//" (the floor that // makes of a quotient).
	UnaryExpr struct {
		node
		Op      string
		Operand Node
	}
	// BinaryExpr has Op + - * / % ** ~.
	BinaryExpr struct {
		node
		Op          string
		Left, Right Node
	}
	// CompareExpr is a chain first op a op b, evaluated from the left, each result compared with the next operand.
	CompareExpr struct {
		node
		First Node
		Rest  []Comparison
	}
	// InExpr is left in right; "not in" is an UnaryExpr around it.
	InExpr struct {
		node
		Left, Right Node
	}
	// CaptureExpr is the text that a body renders to.
	CaptureExpr struct {
		node
		Body *Body
	}
)

// Pair is one key and value of an object literal or one keyword argument.
type Pair struct {
	Key    string
	KeyPos Pos
	Value  Node
}

// Args are the arguments of a call. Keyword arguments follow the positional ones whatever their order in the source.
type Args struct {
	Positional []Node
	Keyword    []Pair
}

// Comparison is one operator (== === != !== < <= > >=) and its right operand.
type Comparison struct {
	Op      string
	Operand Node
}

// Statements.
type (
	// Body is a sequence of statements; the whole template is one.
	Body struct {
		node
		Statements []Node
	}
	// TextStmt is literal text.
	TextStmt struct {
		node
		Text string
	}
	// OutputStmt is ${{ expression }}, or a filter block.
	OutputStmt struct {
		node
		Expr Node
	}
	// IfStmt is one branch; Else is nil, a Body, or the IfStmt of an elif.
	IfStmt struct {
		node
		Cond Node
		Then *Body
		Else Node
	}
	// ForStmt binds Targets to every item of Iterable.
	ForStmt struct {
		node
		Targets  []*NameExpr
		Iterable Node
		Body     *Body
		Else     *Body
	}
	// SetStmt assigns Value, which for a block assignment is a CaptureExpr, to every target.
	SetStmt struct {
		node
		Targets []*NameExpr
		Value   Node
	}
	// MacroStmt declares a macro.
	MacroStmt struct {
		node
		Name   *NameExpr
		Params Params
		Body   *Body
	}
	// CallStmt calls a macro with a body that the macro reaches as caller().
	CallStmt struct {
		node
		Call   *CallExpr
		Caller *CallerExpr
	}
	// CallerExpr is the body of a call block with its parameters.
	CallerExpr struct {
		node
		Params Params
		Body   *Body
	}
	// BlockStmt is a named block; without inheritance it renders in place.
	BlockStmt struct {
		node
		Name string
		Body *Body
	}
	// SwitchStmt runs the first case that strictly equals Value; empty cases fall through. Default may be nil.
	SwitchStmt struct {
		node
		Value   Node
		Cases   []*CaseStmt
		Default *Body
	}
	// CaseStmt is one case of a switch.
	CaseStmt struct {
		node
		Value Node
		Body  *Body
	}
)

// Params are the formal parameters of a macro or caller.
type Params struct {
	Names    []*NameExpr
	Defaults []Default
}

// Default is a parameter with a default value.
type Default struct {
	Name  *NameExpr
	Value Node
}

// Children lists the direct sub-nodes in source order, binding names left out.
func Children(n Node) []Node {
	switch n := n.(type) {
	case *ArrayExpr:
		return n.Items
	case *GroupExpr:
		return n.Items
	case *ObjectExpr:
		return pairValues(nil, n.Pairs)
	case *LookupExpr:
		return []Node{n.Target, n.Key}
	case *SliceExpr:
		return []Node{n.Start, n.Stop, n.Step}
	case *CallExpr:
		return argNodes([]Node{n.Func}, n.Args)
	case *FilterExpr:
		return argNodes([]Node{n.Input}, n.Args)
	case *TestExpr:
		return []Node{n.Left, n.Right}
	case *IfExpr:
		return present(n.Then, n.Cond, n.Else)
	case *LogicExpr:
		return []Node{n.Left, n.Right}
	case *UnaryExpr:
		return []Node{n.Operand}
	case *BinaryExpr:
		return []Node{n.Left, n.Right}
	case *CompareExpr:
		out := []Node{n.First}
		for _, c := range n.Rest {
			out = append(out, c.Operand)
		}
		return out
	case *InExpr:
		return []Node{n.Left, n.Right}
	case *CaptureExpr:
		return []Node{n.Body}
	case *Body:
		return n.Statements
	case *OutputStmt:
		return []Node{n.Expr}
	case *IfStmt:
		return present(n.Cond, n.Then, n.Else)
	case *ForStmt:
		return withBody([]Node{n.Iterable, n.Body}, n.Else)
	case *SetStmt:
		return []Node{n.Value}
	case *MacroStmt:
		return append(defaultValues(n.Params), n.Body)
	case *CallStmt:
		return []Node{n.Call, n.Caller}
	case *CallerExpr:
		return append(defaultValues(n.Params), n.Body)
	case *BlockStmt:
		return []Node{n.Body}
	case *SwitchStmt:
		out := []Node{n.Value}
		for _, c := range n.Cases {
			out = append(out, c)
		}
		return withBody(out, n.Default)
	case *CaseStmt:
		return []Node{n.Value, n.Body}
	}
	return nil
}

// Walk visits n and everything below it, parents first. A false from fn leaves that node's children out.
func Walk(n Node, fn func(Node) bool) {
	if n == nil || !fn(n) {
		return
	}
	for _, c := range Children(n) {
		Walk(c, fn)
	}
}

func present(nodes ...Node) []Node {
	out := nodes[:0]
	for _, n := range nodes {
		if n != nil {
			out = append(out, n)
		}
	}
	return out
}

func withBody(nodes []Node, b *Body) []Node {
	if b == nil {
		return nodes
	}
	return append(nodes, b)
}

func pairValues(out []Node, pairs []Pair) []Node {
	for _, p := range pairs {
		out = append(out, p.Value)
	}
	return out
}

func argNodes(out []Node, a Args) []Node { return pairValues(append(out, a.Positional...), a.Keyword) }

func defaultValues(p Params) []Node {
	out := make([]Node, 0, len(p.Defaults)+1)
	for _, d := range p.Defaults {
		out = append(out, d.Value)
	}
	return out
}
