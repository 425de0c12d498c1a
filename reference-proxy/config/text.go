package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"time"
)

// setText reads text into target, in the one notation that a setting has wherever it is written. Its errors say what
// would be right, not what was wrong: the caller adds value and place.
func setText(target reflect.Value, text string) error {
	if level, ok := target.Addr().Interface().(*slog.Level); ok {
		return setLevel(level, text)
	}
	if t, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return t.UnmarshalText([]byte(text))
	}
	switch target.Interface().(type) {
	case string, Secret, URL:
		if text == "" {
			return errors.New("give a value, or leave the setting out for its default")
		}
		target.SetString(text)
		return nil
	case bool:
		if text != "true" && text != "false" {
			return errors.New("write true or false")
		}
		target.SetBool(text == "true")
		return nil
	case int:
		n, err := strconv.ParseInt(text, 10, 0)
		if err != nil {
			return errors.New("give a whole number")
		}
		target.SetInt(n)
		return nil
	case float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f {
			return errors.New("give a number such as 0.2")
		}
		target.SetFloat(f)
		return nil
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("give a time with its unit (ms, s, m or h), such as 500ms, 30s or 1m30s")
		}
		target.SetInt(int64(d))
		return nil
	}
	return fmt.Errorf("no notation for a %s", target.Type())
}

func setLevel(level *slog.Level, text string) error {
	type name string
	var chosen name
	if err := choose(&chosen, text, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return level.UnmarshalText([]byte(chosen))
}

// less compares two values of the same kind of number.
func less(a, b reflect.Value) bool {
	if a.CanFloat() {
		return a.Float() < b.Float()
	}
	return a.Int() < b.Int()
}
