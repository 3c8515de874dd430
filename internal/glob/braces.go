package glob

import (
	"strconv"
	"strings"
)

// expand gives the patterns that one with braces stands for. It fails if they are too many.
func expand(pattern string) ([]string, bool) {
	open, end := braces(pattern)
	if open < 0 {
		return []string{pattern}, true
	}
	tails, ok := expand(pattern[end+1:])
	if !ok {
		return nil, false
	}
	var all []string
	for _, choice := range choices(pattern[open+1 : end]) {
		inner, ok := expand(choice)
		if !ok {
			return nil, false
		}
		for _, middle := range inner {
			for _, tail := range tails {
				if all = append(all, pattern[:open]+middle+tail); len(all) > MaxAlternatives {
					return nil, false
				}
			}
		}
	}
	return all, true
}

// braces finds the first braces that stand for several patterns; open is -1 if there are none.
func braces(pattern string) (open, end int) {
	for open = 0; open < len(pattern); open++ {
		switch pattern[open] {
		case '\\':
			open++
		case '{':
			if end, found := closing(pattern, open); found && len(choices(pattern[open+1:end])) > 1 {
				return open, end
			}
		}
	}
	return -1, -1
}

func closing(pattern string, open int) (int, bool) {
	depth := 0
	for at := open; at < len(pattern); at++ {
		switch pattern[at] {
		case '\\':
			at++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return at, true
			}
		}
	}
	return 0, false
}

// choices gives what stands between braces, piece by piece: a,b or 1..3.
func choices(inside string) []string {
	var parts []string
	depth, from := 0, 0
	for at := 0; at < len(inside); at++ {
		switch inside[at] {
		case '\\':
			at++
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth == 0 {
				parts, from = append(parts, inside[from:at]), at+1
			}
		}
	}
	if len(parts) > 0 {
		return append(parts, inside[from:])
	}
	return sequence(strings.Split(inside, ".."))
}

// sequence gives the members of first..last or first..last..step; none if it isn't one.
func sequence(ends []string) []string {
	if len(ends) != 2 && len(ends) != 3 {
		return nil
	}
	step := 1
	if len(ends) == 3 {
		n, err := strconv.Atoi(ends[2])
		if err != nil {
			return nil
		}
		step = max(n, -n, 1)
	}
	if isChar(ends[0]) && isChar(ends[1]) {
		return series(int(ends[0][0]), int(ends[1][0]), step, func(n int) string { return string(rune(n)) })
	}
	first, err := strconv.Atoi(ends[0])
	if err != nil {
		return nil
	}
	last, err := strconv.Atoi(ends[1])
	if err != nil {
		return nil
	}
	width := 0
	for _, end := range ends[:2] {
		if digits := strings.TrimPrefix(end, "-"); len(digits) > 1 && digits[0] == '0' {
			width = max(width, len(ends[0]), len(ends[1]))
		}
	}
	return series(first, last, step, func(n int) string {
		text := strconv.Itoa(n)
		if n < 0 {
			return "-" + strings.Repeat("0", max(width-len(text), 0)) + text[1:]
		}
		return strings.Repeat("0", max(width-len(text), 0)) + text
	})
}

func isChar(s string) bool { return len(s) == 1 && isLetter(rune(s[0])) }

func series(first, last, step int, name func(int) string) []string {
	if last < first {
		step = -step
	}
	var all []string
	for n := first; (step > 0 && n <= last || step < 0 && n >= last) && len(all) <= MaxAlternatives; n += step {
		all = append(all, name(n))
	}
	return all
}
