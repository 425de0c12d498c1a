package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Store names where state is kept.
type Store string

// The stores.
const (
	// StoreEmbedded keeps state on this machine's disk.
	StoreEmbedded Store = "embedded"
	// StorePostgres keeps state in a PostgreSQL database.
	StorePostgres Store = "postgres"
	// StoreCassandra keeps state in a Cassandra cluster.
	StoreCassandra Store = "cassandra"
	// StoreMemory keeps state until the process ends.
	StoreMemory Store = "memory"
	// StoreNone keeps none: only actions are served.
	StoreNone Store = "none"
)

// UnmarshalText accepts the names of the stores.
func (s *Store) UnmarshalText(text []byte) error {
	return choose(s, string(text), StoreEmbedded, StorePostgres, StoreCassandra, StoreMemory, StoreNone)
}

// CrashPoint says where the process ends itself, for tests: POINT:N, none, or nothing.
type CrashPoint string

// CrashNowhere only shows that there are crash points.
const CrashNowhere CrashPoint = "none"

// crashPoints are the points that there are.
var crashPoints = []string{"before-persist", "after-persist", "before-reply", "after-reply", "before-snapshot", "after-snapshot"}

// UnmarshalText reads the notation that the type describes.
func (c *CrashPoint) UnmarshalText(text []byte) error {
	if _, n, ok := CrashPoint(text).At(); ok && n > 0 || CrashPoint(text) == CrashNowhere || len(text) == 0 {
		*c = CrashPoint(text)
		return nil
	}
	return fmt.Errorf("write none, or one of %s with a number from 1, such as before-persist:3", strings.Join(crashPoints, ", "))
}

// At returns the point and the number; ok is false when the process is to end nowhere.
func (c CrashPoint) At() (point string, n int, ok bool) {
	point, number, found := strings.Cut(string(c), ":")
	n, err := strconv.Atoi(number)
	return point, n, found && err == nil && slices.Contains(crashPoints, point)
}

// Unsupported says what happens to entities of a kind that the proxy does not serve.
type Unsupported string

// What may happen to such entities.
const (
	// UnsupportedRefuse refuses the whole user function.
	UnsupportedRefuse Unsupported = "refuse"
	// UnsupportedSkip serves the others, with a warning for each one left out.
	UnsupportedSkip Unsupported = "skip"
)

// UnmarshalText accepts the two choices.
func (u *Unsupported) UnmarshalText(text []byte) error {
	return choose(u, string(text), UnsupportedRefuse, UnsupportedSkip)
}

// LogFormat says how messages are logged.
type LogFormat string

// The formats.
const (
	// LogText is key=value lines for people.
	LogText LogFormat = "text"
	// LogJSON is one JSON object a line.
	LogJSON LogFormat = "json"
)

// UnmarshalText accepts the names of the formats.
func (f *LogFormat) UnmarshalText(text []byte) error {
	return choose(f, string(text), LogText, LogJSON)
}

func choose[T ~string](target *T, text string, choices ...T) error {
	names := make([]string, len(choices))
	for i, choice := range choices {
		if string(choice) == text {
			*target = choice
			return nil
		}
		names[i] = string(choice)
	}
	return fmt.Errorf("choose one of %s", strings.Join(names, ", "))
}

// Size is a number of bytes. Its notation is a whole number with an optional unit: 512, 64KiB, 4MiB, 1GiB, 1TiB.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

var errSize = errors.New("give a whole number of bytes, or one with a unit of KiB, MiB, GiB or TiB, such as 4MiB")

// UnmarshalText reads the notation that the type describes.
func (s *Size) UnmarshalText(text []byte) error {
	digits, factor := string(text), int64(1)
	for _, unit := range sizeUnits {
		if rest, found := strings.CutSuffix(digits, unit.name); found {
			digits, factor = strings.TrimSpace(rest), unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return errSize
	}
	*s = Size(n * factor)
	return nil
}

// String gives the notation with the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
