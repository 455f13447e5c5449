package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Load returns the configuration of the file at path and of the environment, and
// reports every problem that it finds, not only the first one. An empty path
// means defaults and environment alone. environ is as [os.Environ] gives it.
func Load(path string, environ []string) (Config, error) {
	c := Default()
	var problems []error
	if path != "" {
		text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
		if errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("%s: no such file (signet config docs prints every key)", path)
		}
		if err != nil {
			return c, err
		}
		problems = append(problems, decode(path, text, &c)...)
	}
	problems = append(problems, applyEnvironment(&c, environ)...)
	if len(problems) == 0 {
		problems = c.validate()
	}
	return c, errors.Join(problems...)
}

// leaf is one key with a value, as reflection finds it.
type leaf struct {
	path  []string // yaml names
	field reflect.StructField
	value reflect.Value
}

func (l leaf) key() string { return strings.Join(l.path, ".") }

// env returns the environment variable of the key.
func (l leaf) env() string {
	var b strings.Builder
	b.WriteString("SIGNET")
	for _, p := range l.path {
		b.WriteByte('_')
		for _, r := range p {
			if r >= 'A' && r <= 'Z' {
				b.WriteByte('_')
			}
			if r == '-' || r == '.' {
				r = '_' // of the name of a group
			}
			b.WriteRune(r)
		}
	}
	return strings.ToUpper(b.String())
}

func (l leaf) secret() bool { return l.value.Type() == reflect.TypeFor[Secret]() }

// under returns the path of a key below path, in memory of its own.
func under(path []string, key string) []string { return append(slices.Clip(path), key) }

// leaves lists the keys below v in the order of the structs. Maps count as one key.
func leaves(v reflect.Value, path []string) []leaf {
	var all []leaf
	for i := range v.NumField() {
		f := v.Type().Field(i)
		p := under(path, f.Tag.Get("yaml"))
		if f.Type.Kind() == reflect.Struct {
			all = append(all, leaves(v.Field(i), p)...)
			continue
		}
		all = append(all, leaf{p, f, v.Field(i)})
	}
	return all
}

// commandLine are the variables that stand for flags of the command line.
var commandLine = [...]string{"SIGNET_CONFIG", "SIGNET_DATA", "SIGNET_SERVER", "SIGNET_TOKEN"}

// applyEnvironment sets what SIGNET_* variables say. A variable that names no key
// is a problem: it would be a setting that silently does nothing.
func applyEnvironment(c *Config, environ []string) []error {
	set := map[string]string{}
	for _, e := range environ {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "SIGNET_") {
			set[name] = value
		}
	}
	for _, name := range commandLine {
		delete(set, name)
	}
	if problem := readAlias(set, environ); problem != nil {
		return []error{problem}
	}
	var problems []error
	for _, l := range leaves(reflect.ValueOf(c).Elem(), nil) {
		problems = appendIf(problems, applyVariable(l, set))
		if l.value.Type() == reflect.TypeFor[map[string]OIDC]() {
			problems = append(problems, applyToItems(l, set)...)
		}
	}
	for name := range set {
		problems = append(problems, fmt.Errorf("%s: no such key (signet config docs prints every key)", name))
	}
	return problems
}

// openAlias is what the door's authentication was called before (objects.auth).
const openAlias = "POST3_AUTH_ENABLED"

// readAlias takes POST3_AUTH_ENABLED for SIGNET_OBJECTS_AUTH, which wins.
func readAlias(set map[string]string, environ []string) error {
	i := slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, openAlias+"=") })
	if i < 0 {
		return nil
	}
	word, ok := map[string]string{"true": "on", "1": "on", "false": "off", "0": "off"}[strings.ToLower(environ[i][len(openAlias)+1:])]
	if !ok {
		return fmt.Errorf("%s: must be true or false (SIGNET_OBJECTS_AUTH, on or off, says the same)", openAlias)
	}
	if _, given := set["SIGNET_OBJECTS_AUTH"]; !given {
		set["SIGNET_OBJECTS_AUTH"] = word
	}
	return nil
}

// applyVariable sets a key to what its variable says, or the file that another names,
// and takes both out of set.
func applyVariable(l leaf, set map[string]string) error {
	value, given := set[l.env()]
	delete(set, l.env())
	if file, ok := set[l.env()+"_FILE"]; ok && l.secret() {
		delete(set, l.env()+"_FILE")
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return fmt.Errorf("%s_FILE: %w", l.env(), err)
		}
		value, given = strings.TrimRight(string(text), "\r\n"), true
	}
	if !given {
		return nil
	}
	if err := setEnvironment(l, value); err != nil {
		return fmt.Errorf("%s: %w", l.env(), err)
	}
	return nil
}

// applyToItems sets the keys of the groups that the file names: the environment
// cannot name new ones, but a secret of theirs need not stand in the file.
func applyToItems(l leaf, set map[string]string) (problems []error) {
	for _, name := range l.value.MapKeys() {
		item := reflect.New(l.value.Type().Elem()).Elem()
		item.Set(l.value.MapIndex(name))
		for _, inner := range leaves(item, under(l.path, name.String())) {
			problems = appendIf(problems, applyVariable(inner, set))
		}
		l.value.SetMapIndex(name, item)
	}
	return problems
}

func setEnvironment(l leaf, value string) error {
	switch l.value.Kind() {
	case reflect.Map:
		return errors.New("this key can only be set in the file")
	case reflect.Slice:
		l.value.Set(reflect.Zero(l.value.Type()))
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			e := reflect.New(l.value.Type().Elem()).Elem()
			if err := setText(e, "", "", item); err != nil {
				return err
			}
			l.value.Set(reflect.Append(l.value, e))
		}
		return nil
	default:
		return setText(l.value, l.field.Tag.Get("one"), l.field.Tag.Get("min"), value)
	}
}

// reloadable are the keys that a running instance applies at SIGHUP; certificates
// are read again by themselves.
var reloadable = [...]string{"telemetry.logLevel", "authroute.domains", "authroute.defaultMode"}

// NeedsRestart returns the keys that differ in other and take effect only at a start.
func (c Config) NeedsRestart(other Config) []string {
	var keys []string
	now := leaves(reflect.ValueOf(&other).Elem(), nil)
	for i, l := range leaves(reflect.ValueOf(&c).Elem(), nil) {
		if !slices.Contains(reloadable[:], l.key()) && !reflect.DeepEqual(l.value.Interface(), now[i].value.Interface()) {
			keys = append(keys, l.key())
		}
	}
	return keys
}
