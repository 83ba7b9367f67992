package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// CheckToken says why a text cannot travel as a bearer token, or is surely not meant to: it must be visible ASCII
// without spaces (RFC 6750 §2.1 allows less), and no more than the token itself. The error completes a sentence that
// begins with the name of a setting, and quotes nothing of the text but a character that no token has.
func CheckToken(text string) error {
	scheme, _, spaced := strings.Cut(text, " ")
	switch {
	case text == "":
		return errors.New("is empty")
	case strings.EqualFold(scheme, "Bearer") && (spaced || text == scheme):
		return errors.New("begins with the word Bearer: leave it out")
	case strings.ContainsAny(text[:1]+text[len(text)-1:], "\"'`"):
		return errors.New("is in quotes: leave them out")
	}
	for _, c := range text {
		switch {
		case c == '\n' || c == '\r':
			return errors.New("has more than one line")
		case unicode.IsSpace(c):
			return errors.New("has white space in it")
		case c < ' ' || c > '~':
			return fmt.Errorf("has the character %U in it, which no header can carry safely", c)
		}
	}
	return nil
}
