package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Duration is a length of time that reads and writes itself as people write it: 90s, 1h30m, 30d.
type Duration time.Duration

// Std gives the standard library's duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string {
	const day = 24 * time.Hour
	if t := time.Duration(d); t >= day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	return time.Duration(d).String()
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration of ParseDuration's form.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

var leadingDays = regexp.MustCompile(`^(\d{1,5})d(.*)$`)

// ParseDuration reads Go's durations with days in front: 30d, 1d12h, 45m. A negative one is refused.
func ParseDuration(s string) (Duration, error) {
	rest, days := s, 0
	if m := leadingDays.FindStringSubmatch(s); m != nil {
		days, _ = strconv.Atoi(m[1]) // at most five digits
		rest = m[2]
	}
	total := time.Duration(days) * 24 * time.Hour
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration; write 90s, 15m, 12h or 30d", s)
		}
		total += d
	} else if s == "" {
		return 0, fmt.Errorf("a duration is empty; write 90s, 15m, 12h or 30d")
	}
	if total < 0 {
		return 0, fmt.Errorf("%q is negative; a duration is zero or more", s)
	}
	return Duration(total), nil
}
