package trace

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

const (
	maxText  = 256 // characters of one string value that are shown
	maxBytes = 48  // bytes of one bytes value that are shown
	maxItems = 64  // entries of one list or map that are shown
	maxDepth = 24  // levels of nesting that are shown
)

// Text renders m on one line, in the manner of JSON with the proto field names, unset fields left out, and every Any expanded
// whose type is linked into this program or is one of Cloudstate's primitive and JSON types (SER-02, SER-04). Long values are
// cut and say so. Equal messages have equal texts (protojson promises the opposite); texts may change between versions.
func Text(m proto.Message) string {
	return render(m, false)
}

// Indented renders m as [Text] does, one field a line and without commas, so that equal fields make equal lines.
func Indented(m proto.Message) string {
	return render(m, true)
}

// RawText renders the beginning of undecoded bytes in hexadecimal, with their true size (size 0: the length of raw).
func RawText(raw []byte, size int) string {
	if size == 0 {
		size = len(raw)
	}
	return fmt.Sprintf("<%d bytes: %s>", size, clippedHex(raw, size))
}

func render(m proto.Message, indented bool) string {
	if m == nil || !m.ProtoReflect().IsValid() {
		return "<nothing>"
	}
	p := printer{indented: indented}
	p.message(m.ProtoReflect(), "")
	return p.String()
}

// printer walks messages by reflection. It is our own rather than protojson because protojson fails on an Any of an unknown
// type, varies its white space on purpose, and cannot cut long values.
type printer struct {
	strings.Builder
	indented bool
	depth    int
}

func (p *printer) line() {
	if p.indented {
		p.WriteByte('\n')
		p.WriteString(strings.Repeat("  ", p.depth))
	}
}

// group writes the parts between open and close, separated by commas or line ends.
func (p *printer) group(open, close byte, parts []func()) {
	p.WriteByte(open)
	p.depth++
	for i, part := range parts {
		if i > 0 && !p.indented {
			p.WriteString(", ")
		}
		p.line()
		part()
	}
	p.depth--
	if len(parts) > 0 {
		p.line()
	}
	p.WriteByte(close)
}

// message writes m; typeURL is set if m came out of an Any.
func (p *printer) message(m protoreflect.Message, typeURL string) {
	if p.depth > maxDepth {
		p.WriteString("{…}")
		return
	}
	if a, ok := m.Interface().(*anypb.Any); ok && typeURL == "" {
		p.any(a)
		return
	}
	var parts []func()
	if typeURL != "" {
		parts = append(parts, func() { p.field("@type"); p.quoted(typeURL) })
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		parts = append(parts, func() { p.field(string(fd.Name())); p.fieldValue(fd, m.Get(fd)) })
	}
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		parts = append(parts, func() { p.field("@unknown"); p.WriteString(RawText(unknown, 0)) })
	}
	p.group('{', '}', parts)
}

func (p *printer) field(name string) {
	p.WriteString(strconv.Quote(name))
	p.WriteString(": ")
}

func (p *printer) fieldValue(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case fd.IsList():
		list := v.List()
		p.items('[', ']', list.Len(), func(i int) { p.scalar(fd, list.Get(i)) })
	case fd.IsMap():
		var keys []protoreflect.MapKey
		v.Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool { keys = append(keys, k); return true })
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		p.items('{', '}', len(keys), func(i int) {
			p.field(keys[i].String())
			p.scalar(fd.MapValue(), v.Map().Get(keys[i]))
		})
	default:
		p.scalar(fd, v)
	}
}

func (p *printer) items(open, close byte, n int, write func(i int)) {
	parts := make([]func(), 0, min(n, maxItems)+1)
	for i := range min(n, maxItems) {
		parts = append(parts, func() { write(i) })
	}
	if n > maxItems {
		parts = append(parts, func() { fmt.Fprintf(p, "… %d more", n-maxItems) })
	}
	p.group(open, close, parts)
}

func (p *printer) scalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		p.message(v.Message(), "")
	case protoreflect.StringKind:
		p.quoted(v.String())
	case protoreflect.BytesKind:
		p.WriteString(RawText(v.Bytes(), 0))
	case protoreflect.EnumKind:
		if ev := fd.Enum().Values().ByNumber(v.Enum()); ev != nil {
			p.WriteString(string(ev.Name()))
			return
		}
		fmt.Fprint(p, v.Enum())
	default:
		p.WriteString(v.String())
	}
}

func (p *printer) quoted(s string) {
	p.WriteString(strconv.Quote(clip(s)))
}

// any expands a, if anything is known about its type.
func (p *printer) any(a *anypb.Any) {
	if mt, err := protoregistry.GlobalTypes.FindMessageByURL(a.GetTypeUrl()); err == nil {
		m := mt.New()
		if proto.Unmarshal(a.GetValue(), m.Interface()) == nil && m.IsValid() {
			p.message(m, a.GetTypeUrl())
			return
		}
	}
	value := RawText(a.GetValue(), 0)
	if text, ok := primitiveText(a); ok {
		value = text
	}
	p.group('{', '}', []func(){
		func() { p.field("@type"); p.quoted(a.GetTypeUrl()) },
		func() { p.field("value"); p.WriteString(value) },
	})
}

// primitiveText reads the values that Cloudstate wraps without a message type of their own: field 1 holds them, and nothing at
// all stands for the type's default (SER-02 to SER-04).
func primitiveText(a *anypb.Any) (string, bool) {
	prefix, kind, ok := strings.Cut(a.GetTypeUrl(), "/")
	if !ok {
		return "", false
	}
	var want protowire.Type
	switch {
	case prefix == "json.cloudstate.io", prefix == "p.cloudstate.io" && (kind == "string" || kind == "bytes"):
		want = protowire.BytesType
	case prefix == "p.cloudstate.io" && (kind == "int32" || kind == "int64" || kind == "bool"):
		want = protowire.VarintType
	default:
		return "", false
	}
	if len(a.GetValue()) == 0 {
		return "<default>", true
	}
	num, typ, n := protowire.ConsumeTag(a.GetValue())
	if n < 0 || num != 1 || typ != want {
		return "", false
	}
	rest := a.GetValue()[n:]
	if typ == protowire.VarintType {
		v, n := protowire.ConsumeVarint(rest)
		return strconv.FormatInt(int64(v), 10), n == len(rest)
	}
	v, n := protowire.ConsumeBytes(rest)
	if n != len(rest) {
		return "", false
	}
	if kind == "bytes" && prefix == "p.cloudstate.io" {
		return RawText(v, 0), true
	}
	return strconv.Quote(clip(string(v))), utf8.Valid(v)
}

func metadataText(md metadata.MD) string {
	keys := make([]string, 0, len(md))
	for k := range md {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	parts := make([]string, 0, len(keys))
	for _, k := range keys {
		for _, v := range md[k] {
			if strings.HasSuffix(k, "-bin") {
				parts = append(parts, k+": "+RawText([]byte(v), 0))
				continue
			}
			parts = append(parts, k+": "+clip(v))
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func clippedHex(b []byte, size int) string {
	if len(b) > maxBytes {
		b = b[:maxBytes]
	}
	text := hex.EncodeToString(b)
	if len(b) < size {
		text += "…"
	}
	return text
}

// clip cuts s to at most maxText bytes, at a character's edge, and says how long it was.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:cut], len(s))
}
