package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
)

// setting is one field of Config, as its tags describe it.
type setting struct {
	name  string
	env   string
	field reflect.StructField
	index int
}

// settings lists the fields of Config in their order.
var settings = func() []setting {
	t := reflect.TypeFor[Config]()
	all := make([]setting, 0, t.NumField())
	for i := range t.NumField() {
		field := t.Field(i)
		s := setting{name: field.Tag.Get("name"), env: field.Tag.Get("environ"), field: field, index: i}
		if s.env == "" {
			s.env = "CLOUDSTATE_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
		}
		all = append(all, s)
	}
	return all
}()

func settingNamed(name string) (setting, bool) {
	for _, s := range settings {
		if s.name == name {
			return s, true
		}
	}
	return setting{}, false
}

// value reads text as this setting's value.
func (s setting) value(text string) (reflect.Value, error) {
	v := reflect.New(s.field.Type).Elem()
	return v, setText(v, text)
}

// checkRange holds a value against the min and max tags.
func (s setting) checkRange(v reflect.Value) error {
	low, high := s.field.Tag.Get("min"), s.field.Tag.Get("max")
	if low == "" {
		return nil
	}
	lowest, err := s.value(low)
	if err != nil {
		return fmt.Errorf("min tag of %s: %w", s.name, err)
	}
	highest, err := s.value(high)
	if err != nil {
		return fmt.Errorf("max tag of %s: %w", s.name, err)
	}
	if less(v, lowest) || less(highest, v) {
		return fmt.Errorf("choose from %s to %s", low, high)
	}
	return nil
}

// LogValue lists every setting by its name, so that one log line tells how a proxy was started.
func (c *Config) LogValue() slog.Value {
	v := reflect.ValueOf(c).Elem()
	attrs := make([]slog.Attr, len(settings))
	for i, s := range settings {
		attrs[i] = slog.String(s.name, fmt.Sprint(v.Field(s.index).Interface()))
	}
	return slog.GroupValue(attrs...)
}
