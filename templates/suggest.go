package templates

import "strings"

// habits are names that people bring from other tools, and ours.
var habits = map[string]string{
	"when": "if", "condition": "if", "dependsOn": "needs", "depends_on": "needs", "with": "input", "inputs": "input",
	"params": "input", "uses": "action", "foreach": "each", "forEach": "each", "loop": "each", "retries": "retry",
	"outputs": "output", "inputParameters": "parameters", "onError": "onFailure", "parallelism": "parallel",
}

func suggestField(name string, fields []string) string {
	if h, ok := habits[name]; ok {
		for _, f := range fields {
			if f == h {
				return h
			}
		}
	}
	return nearest(name, fields)
}

// nearest gives the candidate that is a plausible misspelling away from name, or "".
func nearest(name string, candidates []string) string {
	best, closest := max(1, len(name)/3)+1, ""
	if len(name) > 100 {
		return ""
	}
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c), best); d < best {
			best, closest = d, c
		}
	}
	return closest
}

func nearestOr(name string, candidates []string, otherwise string) string {
	if n := nearest(name, candidates); n != "" {
		return n
	}
	return otherwise
}

// distance is the number of bytes to insert, delete, replace or swap with their neighbour. It gives
// up with limit once it can't be less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
