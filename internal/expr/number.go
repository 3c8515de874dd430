package expr

import (
	"math"
	"strconv"
	"strings"
)

// formatNumber prints as JavaScript's Number::toString.
func formatNumber(f float64) string {
	switch {
	case f != f:
		return "NaN"
	case f == 0:
		return "0"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	minus := ""
	if f < 0 {
		minus, f = "-", -f
	}
	digits, exp := shortestDigits(f)
	k := len(digits)
	n := exp + 1
	switch {
	case k <= n && n <= 21:
		return minus + digits + strings.Repeat("0", n-k)
	case 0 < n && n <= 21:
		return minus + digits[:n] + "." + digits[n:]
	case -6 < n && n <= 0:
		return minus + "0." + strings.Repeat("0", -n) + digits
	}
	return minus + withExponent(digits, exp)
}

func shortestDigits(f float64) (string, int) {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	exp, _ := strconv.Atoi(exponent)
	return strings.Replace(mantissa, ".", "", 1), exp
}

func withExponent(digits string, exp int) string {
	s := digits[:1]
	if len(digits) > 1 {
		s += "." + digits[1:]
	}
	if exp >= 0 {
		return s + "e+" + strconv.Itoa(exp)
	}
	return s + "e-" + strconv.Itoa(-exp)
}

// roundDigits gives count significant digits of f > 0, ties upwards, and the decimal exponent of the first one.
// A count of zero or less gives "" or, if it rounds up, "1".
func roundDigits(f float64, count int) (string, int) {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', 766, 64), "e")
	exp, _ := strconv.Atoi(exponent)
	exact := strings.Replace(mantissa, ".", "", 1)
	if count < 0 {
		return "", exp
	}
	digits := []byte(exact[:count])
	if exact[count] < '5' {
		return string(digits), exp
	}
	for i := count - 1; i >= 0; i-- {
		if digits[i] != '9' {
			digits[i]++
			return string(digits), exp
		}
		digits[i] = '0'
	}
	if count == 0 {
		return "1", exp + 1
	}
	return "1" + string(digits[:count-1]), exp + 1
}

func toFixed(f float64, places int) string {
	if f != f || math.Abs(f) >= 1e21 {
		return formatNumber(f)
	}
	minus := ""
	if f < 0 {
		minus, f = "-", -f
	}
	digits, exp := "", 0
	if f != 0 {
		_, lead := shortestDigits(f)
		if digits, exp = roundDigits(f, lead+1+places); digits == "" {
			exp = 0
		}
	}
	var whole, fraction string
	switch {
	case digits == "":
		whole, fraction = "0", ""
	case exp >= 0:
		digits += strings.Repeat("0", max(0, exp+1-len(digits)))
		whole, fraction = digits[:exp+1], digits[exp+1:]
	default:
		whole, fraction = "0", strings.Repeat("0", -exp-1)+digits
	}
	if places > 0 {
		fraction += strings.Repeat("0", max(0, places-len(fraction)))
		return minus + whole + "." + fraction[:places]
	}
	return minus + whole
}

func toExponential(f float64, places int) string {
	if f != f || math.IsInf(f, 0) {
		return formatNumber(f)
	}
	minus := ""
	if f < 0 {
		minus, f = "-", -f
	}
	if f == 0 {
		return minus + withExponent("0"+strings.Repeat("0", max(0, places)), 0)
	}
	if places < 0 {
		digits, exp := shortestDigits(f)
		return minus + withExponent(digits, exp)
	}
	digits, exp := roundDigits(f, places+1)
	return minus + withExponent(digits, exp)
}

func toPrecision(f float64, precision int) string {
	if f != f || math.IsInf(f, 0) {
		return formatNumber(f)
	}
	minus := ""
	if f < 0 {
		minus, f = "-", -f
	}
	digits, exp := strings.Repeat("0", precision), 0
	if f != 0 {
		digits, exp = roundDigits(f, precision)
	}
	switch {
	case exp < -6 || exp >= precision:
		return minus + withExponent(digits, exp)
	case exp == precision-1:
		return minus + digits
	case exp >= 0:
		return minus + digits[:exp+1] + "." + digits[exp+1:]
	}
	return minus + "0." + strings.Repeat("0", -exp-1) + digits
}

const radixDigits = "0123456789abcdefghijklmnopqrstuvwxyz"

// formatRadix prints in another base, with as many fraction digits as tell the number apart from its neighbours.
func formatRadix(f float64, radix int) string {
	if radix == 10 || f != f || math.IsInf(f, 0) || f == 0 {
		return formatNumber(f)
	}
	minus := ""
	if f < 0 {
		minus, f = "-", -f
	}
	base := float64(radix)
	whole := math.Floor(f)
	fraction := f - whole
	delta := math.Max(math.SmallestNonzeroFloat64, 0.5*(math.Nextafter(f, math.Inf(1))-f))
	var tail []byte
	for fraction >= delta {
		fraction *= base
		delta *= base
		digit := int(fraction)
		tail = append(tail, radixDigits[digit])
		fraction -= float64(digit)
		if (fraction > 0.5 || fraction == 0.5 && digit&1 == 1) && fraction+delta > 1 {
			for {
				if len(tail) == 0 {
					whole++
					break
				}
				last := strings.IndexByte(radixDigits, tail[len(tail)-1])
				tail = tail[:len(tail)-1]
				if last+1 < radix {
					tail = append(tail, radixDigits[last+1])
					break
				}
			}
			break
		}
	}
	var head []byte
	for whole/base >= 1<<53 {
		whole /= base
		head = append(head, '0')
	}
	for {
		digit := math.Mod(whole, base)
		head = append(head, radixDigits[int(digit)])
		if whole = (whole - digit) / base; whole < 1 {
			break
		}
	}
	for i, j := 0, len(head)-1; i < j; i, j = i+1, j-1 {
		head[i], head[j] = head[j], head[i]
	}
	if len(tail) == 0 {
		return minus + string(head)
	}
	return minus + string(head) + "." + string(tail)
}

// parseNumber is JavaScript's Number(text).
func parseNumber(s string) float64 {
	s = trimText(s)
	if s == "" {
		return 0
	}
	if len(s) > 2 && s[0] == '0' {
		base := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[s[1]]
		if base != 0 {
			if digitRun(s[2:], base) != len(s)-2 {
				return math.NaN()
			}
			return parseDigits(s[2:], base)
		}
	}
	if n := decimalRun(s); n == len(s) {
		return parseDecimal(s)
	}
	return math.NaN()
}

// parseFloat is JavaScript's parseFloat: the longest decimal at the start.
func parseFloat(s string) float64 {
	s = strings.TrimLeftFunc(s, isSpace)
	n := decimalRun(s)
	if n == 0 {
		return math.NaN()
	}
	return parseDecimal(s[:n])
}

// parseInt is JavaScript's parseInt.
func parseInt(s string, radix float64) float64 {
	s = strings.TrimLeftFunc(s, isSpace)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	base := int(int32(toUint32(radix)))
	hex := base == 0 || base == 16
	if base == 0 {
		base = 10
	}
	if base < 2 || base > 36 {
		return math.NaN()
	}
	if hex && (strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X")) {
		s, base = s[2:], 16
	}
	n := digitRun(s, base)
	if n == 0 {
		return math.NaN()
	}
	f := parseDigits(s[:n], base)
	if negative {
		return -f
	}
	return f
}

func digitRun(s string, base int) int {
	n := 0
	for n < len(s) {
		c := s[n] | 0x20
		if s[n] >= '0' && s[n] <= '9' {
			c = s[n]
		}
		if d := strings.IndexByte(radixDigits, c); d < 0 || d >= base || s[n] >= 0x80 {
			break
		}
		n++
	}
	return n
}

func parseDigits(s string, base int) float64 {
	if base == 10 {
		return parseDecimal(s)
	}
	if n, err := strconv.ParseUint(s, base, 64); err == nil {
		return float64(n)
	}
	f := 0.0
	for i := 0; i < len(s); i++ {
		f = f*float64(base) + float64(digitValue(s[i]))
	}
	return f
}

func digitValue(c byte) int {
	n, _ := strconv.ParseInt(string(c), 36, 32)
	return int(n)
}

// decimalRun is the length of the JavaScript decimal literal, sign and Infinity included, at the start of s.
func decimalRun(s string) int {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if strings.HasPrefix(s[i:], "Infinity") {
		return i + len("Infinity")
	}
	whole := digitRun(s[i:], 10)
	i += whole
	fraction := 0
	if i < len(s) && s[i] == '.' {
		fraction = digitRun(s[i+1:], 10)
		if whole+fraction > 0 {
			i += 1 + fraction
		}
	}
	if whole+fraction == 0 {
		return 0
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if n := digitRun(s[j:], 10); n > 0 {
			i = j + n
		}
	}
	return i
}

func parseDecimal(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

func toUint32(f float64) uint32 {
	if f != f || math.IsInf(f, 0) {
		return 0
	}
	m := math.Mod(math.Trunc(f), 1<<32)
	if m < 0 {
		m += 1 << 32
	}
	return uint32(m)
}

// truncate is JavaScript's ToIntegerOrInfinity.
func truncate(f float64) float64 {
	if f != f || f == 0 {
		return 0
	}
	return math.Trunc(f)
}

// roundHalfUp is Math.round.
func roundHalfUp(f float64) float64 {
	if f != f || math.IsInf(f, 0) {
		return f
	}
	r := math.Floor(f)
	if f-r >= 0.5 {
		r++
	}
	return math.Copysign(r, f)
}
