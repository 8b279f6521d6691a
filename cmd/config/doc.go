// Package config reads changefeed.yaml.
//
// The file is read strictly: a key that is not known, a key given twice, a
// value of the wrong kind and an environment variable that is not set are
// errors, each with the line and column at which it stands.
//
// ${NAME} in a string is replaced by the environment variable NAME, after the
// file has been parsed: a variable can not add keys. ${NAME:-text} gives text
// where the variable is not set, and $${ stands for ${ itself.
//
// A key that ends in _file names a file whose content, without the last line
// break, is the value of the key without that ending. Its path is relative to
// the configuration file.
package config
