// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// personLife is how long the token of a person may be valid. Some issuers give a day.
	personLife = 24 * time.Hour
	// maxName of a person or a group, in bytes.
	maxName = 200
	// claimEmail names a person only where the issuer has verified it; claimSubject tells upper case from lower.
	claimEmail   = "email"
	claimSubject = "sub"
)

// Person is somebody who was recognised.
type Person struct {
	// Name by which plans know them, such as "ann@acme.example".
	Name string
	// Groups as plans name them: "@team-checkout".
	Groups []string
	// How they were recognised: "oidc:login.example" or "mtls".
	How string
}

// People knows people by the tokens of one issuer.
type People struct {
	issuer *issuer
	config PeopleConfig
	how    string
}

// PeopleConfig says whose tokens are taken, and what is read from them.
type PeopleConfig struct {
	// Issuer is its address, as its tokens name it.
	Issuer string
	// Audience that a token must be made for, and for nobody else.
	Audience string
	// Name and Groups are the claims with the person's name and groups.
	Name, Groups string
	Now          func() time.Time
	// Client fetches keys; nil is one of its own.
	Client *http.Client
}

// NewPeople pins an issuer. Its keys are fetched when the first token comes.
func NewPeople(c PeopleConfig) (*People, error) {
	at, err := url.Parse(c.Issuer)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, at.Hostname()):
		return nil, fmt.Errorf("the issuer %q must be an address with https, as its tokens name it: whoever can change what it answers could be anybody", c.Issuer)
	case c.Audience == "":
		return nil, errors.New("the tokens of people need an audience of this server's own, such as the ID of its client: without one, a token made for another system would be taken")
	case c.Name == "" || c.Groups == "":
		return nil, errors.New("name the claims with a person's name and groups, such as email and groups")
	case slices.Contains([]string{"name", "nickname", "given_name", "family_name"}, c.Name):
		return nil, fmt.Errorf("the claim %s is what people choose to be called, and no proof of who they are; take email, preferred_username or sub", c.Name)
	}
	// What all of them have in common: nobody who can verify can also sign.
	algorithms := []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
	}
	return &People{
		config: c, how: "oidc:" + strings.ToLower(at.Host),
		issuer: issuer{url: c.Issuer, audience: c.Audience, algorithms: algorithms, maxLife: personLife, now: c.Now, client: c.Client}.pin(),
	}, nil
}

// Know reports whether an issuer is theirs. Nobody knows none.
func (p *People) Know(issuer string) bool { return p != nil && p.issuer.url == issuer }

// Verify returns who has a token. It may come many times. The error is a *sender.Answer, and shows nothing of the
// token.
func (p *People) Verify(ctx context.Context, token string) (Person, error) {
	named, err := IssuerOf(token)
	if err != nil {
		return Person{}, err
	}
	if !p.Know(named) {
		return Person{}, unknownIssuer()
	}
	checked, err := p.issuer.verify(ctx, token)
	if err != nil {
		return Person{}, err
	}
	var c profile
	if err := checked.Claims(&c); err != nil {
		return Person{}, refused("the token's claims cannot be read")
	}
	return p.person(c)
}

// profile is what an issuer says of a person, by the exact names of the claims.
type profile map[string]json.RawMessage

func (p *People) person(c profile) (Person, error) {
	if err := c.personal(); err != nil {
		return Person{}, err
	}
	name, err := c.name(p.config.Name)
	if err != nil {
		return Person{}, err
	}
	groups, err := c.groups(p.config.Groups)
	if err != nil {
		return Person{}, err
	}
	return Person{Name: name, Groups: groups, How: p.how}, nil
}

// personal refuses tokens that an issuer of people makes too, and that are no sign of a person being here.
func (c profile) personal() error {
	for _, of := range []struct{ claim, what string }{
		{"job_workflow_ref", "of a CI job"},
		{"repository_id", "of a CI job"},
		{"pipeline_id", "of a CI job"},
		{"project_path", "of a CI job"},
		{"ci_config_ref_uri", "of a CI job"},
		{"kubernetes.io", "of a pod"},
		{"events", "the notice of a logout"},
		{"act", "of a program that acts for somebody"},
	} {
		if _, ok := c[of.claim]; ok {
			return refused("the token is %s, and no person's own", of.what)
		}
	}
	return nil
}

// name is what plans call the person. In lower case, so that one person has one name however it is written; only
// the claim sub tells one from the other.
func (c profile) name(claim string) (string, error) {
	var name string
	if raw, ok := c[claim]; !ok || json.Unmarshal(raw, &name) != nil || name == "" {
		return "", refused("the token has no text in the claim %s, which names people", claim)
	}
	if claim == claimEmail {
		var verified bool
		if json.Unmarshal(c["email_verified"], &verified) != nil || !verified {
			return "", refused("the token's e-mail address is not verified by its issuer (email_verified)")
		}
	}
	if claim != claimSubject {
		name = strings.ToLower(name)
	}
	if !isName(name) {
		return "", refused("the token's claim %s names nobody: %s", claim, nameRule)
	}
	return name, nil
}

// nameRule says what isName takes: nothing that reads as a group (@ops), as somebody who was recognised elsewhere
// (token:ci, github:ann), or as several.
const nameRule = "a name is 1 to 200 letters, digits and . _ % + ' | @ - of ASCII, and begins with a letter, a digit or _"

func isName(name string) bool {
	return len(name) <= maxName && regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._%+'|@-]*$`).MatchString(name)
}

// groups are those that plans can name. A person may have none.
func (c profile) groups(claim string) ([]string, error) {
	var elsewhere map[string]json.RawMessage
	if raw, ok := c["_claim_names"]; ok && json.Unmarshal(raw, &elsewhere) != nil {
		return nil, refused("the token's claims cannot be read")
	}
	if _, ok := elsewhere[claim]; ok {
		return nil, refused("the token leaves out the claim %s, because it has too many groups: let the issuer put in those that this server needs", claim)
	}
	var all []string
	if raw, ok := c[claim]; ok && json.Unmarshal(raw, &all) != nil {
		return nil, refused("the token's claim %s is no list of texts", claim)
	}
	var groups []string
	for _, g := range all {
		if isGroup("@"+g) && !slices.Contains(groups, "@"+g) {
			groups = append(groups, "@"+g)
		}
	}
	return groups, nil
}

// isGroup reports whether a plan can name it.
func isGroup(name string) bool {
	return strings.HasPrefix(name, "@") && len(name) > 1 && len(name) <= maxName && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
