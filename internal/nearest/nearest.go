// Package nearest finds the name that somebody probably meant.
package nearest

import "strings"

// longest is the length from which a word is no slip of a name any more.
const longest = 100

// Name gives the candidate that is the fewest edits away from word, whatever the case; the first of
// equals. It gives "" if none is close enough to be a likely slip: a third of the word, one edit at least.
func Name(word string, candidates []string) string {
	if len(word) > longest {
		return ""
	}
	best, fewest := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c), fewest); d < fewest {
			best, fewest = c, d
		}
	}
	return best
}

// Slip says whether word is a candidate with one slip of the fingers in it, whatever the case.
func Slip(word, candidate string) bool {
	return len(word) <= longest && distance(strings.ToLower(word), strings.ToLower(candidate), 2) < 2
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
