package config

import (
	"errors"
	"reflect"
)

// Strict reads a YAML text into the struct that into points to, by its yaml tags, as a
// configuration file is read: what is unknown, stands there twice or has another type is
// an error that names file, line, column and key, and quotes nothing.
func Strict(file string, text []byte, into any) error {
	return errors.Join((&decoder{file: file}).decode(text, reflect.ValueOf(into).Elem())...)
}
