// SPDX-License-Identifier: Apache-2.0

package statement_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/statement"
)

// The key is the first test vector of RFC 8032, section 7.1; the signature is what OpenSSL makes of the
// encoding, which was written by hand for it.
const (
	vectorPrivate   = "slipway_sk_nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	vectorPublic    = "slipway_pk_11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	vectorID        = "21fe31dfa154a261"
	vectorSignature = "tzjO9pRnfYYqPe1CDZ2_GALe_KYlC_0CJtPQhX6HPHCB1Df3YDGvL6YwzrsNKZnf42tsKX7zEZNes6N4c_JcCA"
	vectorEncoding  = `slipway.dev/statement/v1
id 7:click-1
who 3:ann
groups 1:2
group 14:@team-checkout
group 4:@ops
how 5:slack
what 7:approve
reason 10:läuft ✓
at 13:1893488400000
expires 13:1893492000000
release 15:checkout-abc123
step 12:question 1.1
digest 71:sha256:0000000000000000000000000000000000000000000000000000000000000002
plan 64:abababababababababababababababababababababababababababababababab
`
)

var decided = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

func vector() statement.Statement {
	return statement.Statement{
		ID: "click-1", Who: "ann", Groups: []string{"@team-checkout", "@ops"}, How: "slack", What: "approve", Reason: "läuft ✓",
		At: decided, Expires: decided.Add(time.Hour), Release: "checkout-abc123", Step: "question 1.1",
		Digest: "sha256:" + strings.Repeat("0", 63) + "2", PlanHash: strings.Repeat("ab", 32),
	}
}

func private(t *testing.T) statement.Private {
	t.Helper()
	p, err := statement.ParsePrivate(vectorPrivate)
	require.NoError(t, err)
	return p
}

func keys(t *testing.T, text string) statement.Keys {
	t.Helper()
	k, err := statement.ParseKeys(text)
	require.NoError(t, err)
	return k
}

func TestTheKnownVector(t *testing.T) {
	require.Equal(t, vectorEncoding, string(vector().Encode()))
	signed, err := private(t).Sign(vector())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(statement.Signed{Statement: vector(), Key: vectorID, Signature: vectorSignature}, signed))
	require.Equal(t, vectorPublic, private(t).Public().String())
	groups, err := keys(t, "*="+vectorPublic).Verify(signed, decided.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, []string{"@team-checkout", "@ops"}, groups)
}

func TestAStatementSurvivesItsWayThroughTemporal(t *testing.T) {
	signed, err := private(t).Sign(vector())
	require.NoError(t, err)
	text, err := json.Marshal(signed)
	require.NoError(t, err)
	var back statement.Signed
	require.NoError(t, json.Unmarshal(text, &back))
	_, err = keys(t, "*="+vectorPublic).Verify(back, decided)
	require.NoError(t, err)
}

// TestWhatNobodyMayBelieve starts from a good statement and changes one thing at a time.
func TestWhatNobodyMayBelieve(t *testing.T) {
	tests := map[string]struct {
		keys   string
		change func(*statement.Signed)
		after  time.Duration
		want   string
	}{
		"no key is trusted":                   {"", nil, 0, "the workers trust no key yet: set SLIPWAY_APPROVAL_KEYS"},
		"another key is trusted":              {"*=" + other(t), nil, 0, `it is signed by key "21fe31dfa154a261", which the workers do not trust`},
		"a trusted key's ID on a foreign key": {"*=" + other(t), func(s *statement.Signed) { s.Key = otherID(t) }, 0, "its signature is not that of key"},
		"no key":                              {"", func(s *statement.Signed) { s.Key = "" }, 0, "trust no key"},
		"no signature":                        {"", func(s *statement.Signed) { s.Signature = "" }, 0, "its signature is not"},
		"a signature that is cut":             {"", func(s *statement.Signed) { s.Signature = s.Signature[:80] }, 0, "its signature is not"},
		"a signature with a bit turned":       {"", func(s *statement.Signed) { s.Signature = "u" + s.Signature[1:] }, 0, "its signature is not"},
		"a signature in another spelling":     {"", func(s *statement.Signed) { s.Signature += "==" }, 0, "its signature is not"},
		"a signature with loose bits":         {"", func(s *statement.Signed) { s.Signature = s.Signature[:85] + "B" }, 0, "its signature is not"},
		"another ID":                          {"", func(s *statement.Signed) { s.ID = "click-2" }, 0, "its signature is not"},
		"another person":                      {"", func(s *statement.Signed) { s.Who = "bob" }, 0, "its signature is not"},
		"one group more":                      {"", func(s *statement.Signed) { s.Groups = append(s.Groups, "@admins") }, 0, "its signature is not"},
		"a group less":                        {"", func(s *statement.Signed) { s.Groups = s.Groups[:1] }, 0, "its signature is not"},
		"two groups that read as one":         {"", func(s *statement.Signed) { s.Groups = []string{"@team-checkout\ngroup 4:@ops"} }, 0, "its signature is not"},
		"recognised otherwise":                {"", func(s *statement.Signed) { s.How = "oidc" }, 0, "its signature is not"},
		"another decision":                    {"", func(s *statement.Signed) { s.What = "promote" }, 0, "its signature is not"},
		"another reason":                      {"", func(s *statement.Signed) { s.Reason = "" }, 0, "its signature is not"},
		"another time":                        {"", func(s *statement.Signed) { s.At = s.At.Add(time.Millisecond) }, 0, "its signature is not"},
		"a longer life":                       {"", func(s *statement.Signed) { s.Expires = s.Expires.Add(time.Hour) }, 0, "its signature is not"},
		"another release":                     {"", func(s *statement.Signed) { s.Release = "checkout-xyz789" }, 0, "its signature is not"},
		"another step":                        {"", func(s *statement.Signed) { s.Step = "question 2.2" }, 0, "its signature is not"},
		"another digest":                      {"", func(s *statement.Signed) { s.Digest = strings.Replace(s.Digest, "2", "3", 1) }, 0, "its signature is not"},
		"another plan":                        {"", func(s *statement.Signed) { s.PlanHash = strings.Repeat("cd", 32) }, 0, "its signature is not"},
		"expired, to the millisecond":         {"", nil, time.Hour, "it has expired 0s ago: decide again"},
		"expired long ago":                    {"", nil, 25 * time.Hour, "it has expired 24h0m0s ago"},
		"from the future":                     {"", nil, -statement.Skew - time.Second, "it was signed 5m1s in the future"},
		"a person's key for somebody else":    {"bob=" + vectorPublic, nil, 0, "speaks for bob, and not for ann"},
		"a person's key that chooses groups":  {"ann=" + vectorPublic, nil, 0, "a person does not choose their groups"},
	}
	require.GreaterOrEqual(t, len(tests), 10)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			signed, err := private(t).Sign(vector())
			require.NoError(t, err)
			if tt.change != nil {
				tt.change(&signed)
			}
			trusted := tt.keys
			if trusted == "" && !strings.Contains(tt.want, "trust no key") {
				trusted = "*=" + vectorPublic
			}
			groups, err := keys(t, trusted).Verify(signed, decided.Add(tt.after))
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, groups)
		})
	}
}

func TestWhatIsGoodAtTheEdges(t *testing.T) {
	signed, err := private(t).Sign(vector())
	require.NoError(t, err)
	for name, after := range map[string]time.Duration{"a clock that is ahead": -statement.Skew, "the last millisecond": time.Hour - time.Millisecond} {
		_, err := keys(t, "*="+vectorPublic).Verify(signed, decided.Add(after))
		require.NoError(t, err, name)
	}
}

func TestAPersonsOwnKeySpeaksForThemWithTheGroupsThatTheWorkersKnow(t *testing.T) {
	s := vector()
	s.Groups, s.How = nil, "key"
	signed, err := private(t).Sign(s)
	require.NoError(t, err)
	groups, err := keys(t, "ann+@ops+@team-checkout="+vectorPublic).Verify(signed, decided)
	require.NoError(t, err)
	require.Equal(t, []string{"@ops", "@team-checkout"}, groups)
}

func TestNobodySignsWhatNobodyAccepts(t *testing.T) {
	tests := map[string]struct {
		change func(*statement.Statement)
		want   string
	}{
		"no ID":                           {func(s *statement.Statement) { s.ID = "" }, "statement has no id"},
		"nobody":                          {func(s *statement.Statement) { s.Who = "" }, "statement has no who"},
		"recognised by nothing":           {func(s *statement.Statement) { s.How = "" }, "statement has no how"},
		"no decision":                     {func(s *statement.Statement) { s.What = "" }, "statement has no what"},
		"no release":                      {func(s *statement.Statement) { s.Release = "" }, "statement has no release"},
		"no step":                         {func(s *statement.Statement) { s.Step = "" }, "statement has no step"},
		"no digest":                       {func(s *statement.Statement) { s.Digest = "" }, "statement has no digest"},
		"no plan":                         {func(s *statement.Statement) { s.PlanHash = "" }, "statement has no planHash"},
		"a name with a control character": {func(s *statement.Statement) { s.Who = "ann\x1b[2J" }, "who of the statement holds characters that cannot be printed"},
		"a name that is not UTF-8":        {func(s *statement.Statement) { s.Who = "ann\xff" }, "cannot be printed"},
		"a name with a line":              {func(s *statement.Statement) { s.Who = "ann\nbob" }, "cannot be printed"},
		"a name that turns around":        {func(s *statement.Statement) { s.Who = "ann\u202ebob" }, "cannot be printed"},
		"a name that is too long":         {func(s *statement.Statement) { s.Who = strings.Repeat("a", 513) }, "who of the statement is 513 bytes long; 512 is the most"},
		"a reason that is too long":       {func(s *statement.Statement) { s.Reason = strings.Repeat("a", 2001) }, "reason of the statement is 2001 bytes long"},
		"a reason that rings the bell":    {func(s *statement.Statement) { s.Reason = "ok\a" }, "cannot be printed"},
		"a group without its sign":        {func(s *statement.Statement) { s.Groups = []string{"ops"} }, `the group "ops"; a group begins with @`},
		"a group without a name":          {func(s *statement.Statement) { s.Groups = []string{"@"} }, "a group begins with @"},
		"too many groups":                 {func(s *statement.Statement) { s.Groups = strings.Split(strings.Repeat("@a ", 65), " ")[:65] }, "names 65 groups; 64 is the most"},
		"no time":                         {func(s *statement.Statement) { s.At = time.Time{} }, "both times are needed"},
		"a time that is too exact":        {func(s *statement.Statement) { s.At = s.At.Add(time.Nanosecond) }, "to the millisecond"},
		"an end before its beginning":     {func(s *statement.Statement) { s.Expires = s.At }, "it must be above zero"},
		"a life that is too long":         {func(s *statement.Statement) { s.Expires = s.At.Add(statement.Life + time.Millisecond) }, "at most 24h0m0s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := vector()
			tt.change(&s)
			_, err := private(t).Sign(s)
			require.ErrorContains(t, err, "sign statement: ")
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err := statement.Private{}.Sign(vector())
	require.ErrorContains(t, err, "there is no key")
}

func TestKeysThatCannotBeUsedAreRefusedWithoutShowingThem(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a private key among the trusted": {"*=" + vectorPrivate, "does not begin with slipway_pk_"},
		"nobody before it":                {vectorPublic, "write whom it speaks for"},
		"an empty name":                   {"=" + vectorPublic, "write whom it speaks for"},
		"cut":                             {"*=" + vectorPublic[:50], "it is not 32 bytes in base64"},
		"with loose bits":                 {"*=" + vectorPublic[:len(vectorPublic)-1] + "p", "it is not 32 bytes in base64"},
		"a server with groups":            {"*+@ops=" + vectorPublic, "a server names the groups of each person itself"},
		"a group without its sign":        {"ann+ops=" + vectorPublic, `the group "ops" does not begin with @`},
		"the same key twice":              {"ann=" + vectorPublic + ",bob=" + vectorPublic, "key 2 of 2: 21fe31dfa154a261 is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := statement.ParseKeys(tt.text)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), vectorPrivate[11:])
		})
	}
	for name, text := range map[string]string{"a public key": vectorPublic, "nothing": "", "too short": vectorPrivate[:40], "spaces inside": "slipway_sk_ " + vectorPrivate[11:]} {
		_, err := statement.ParsePrivate(text)
		require.ErrorContains(t, err, "private key: ", name)
		require.NotContains(t, err.Error(), "nWGxne", name)
	}
}

func TestKeysAreReadAsTheyAreWritten(t *testing.T) {
	text := "*=" + vectorPublic + ",\n ann+@ops=" + other(t)
	read := keys(t, text)
	require.Len(t, read, 2)
	require.Equal(t, "*="+vectorPublic, read[0].String())
	require.Equal(t, "ann+@ops="+other(t), read[1].String())
	require.Empty(t, keys(t, " \n"))
}

func TestAPrivateKeyShowsItselfOnlyWhenAsked(t *testing.T) {
	p := private(t)
	text, err := json.Marshal(struct{ Key statement.Private }{p})
	require.NoError(t, err)
	for _, shown := range []string{fmt.Sprint(p), fmt.Sprintf("%v %+v %#v %s %q", p, p, p, p, p), string(text), p.LogValue().String()} {
		require.NotContains(t, shown, "nWGxne")
		require.NotContains(t, shown, "9d 61", shown)
		require.NotContains(t, shown, "157 97", shown)
	}
	require.Equal(t, vectorPrivate, p.Reveal())
}

func TestANewKeySigns(t *testing.T) {
	p, err := statement.Generate(rand.Reader)
	require.NoError(t, err)
	again, err := statement.ParsePrivate(p.Reveal())
	require.NoError(t, err)
	signed, err := again.Sign(vector())
	require.NoError(t, err)
	_, err = keys(t, "*="+p.Public().String()).Verify(signed, decided)
	require.NoError(t, err)
	_, err = statement.Generate(bytes.NewReader(make([]byte, 31)))
	require.ErrorContains(t, err, "make key")
}

func TestAClippedReasonFits(t *testing.T) {
	require.Equal(t, "it is good\nsaid ann", statement.Clip(" it is good\nsaid\aann "))
	rapid.Check(t, func(t *rapid.T) {
		s := vector()
		s.Reason = statement.Clip(rapid.StringOfN(rapid.Rune(), -1, 4000, -1).Draw(t, "reason"))
		require.NoError(t, s.Check())
	})
}

// TestNoTwoStatementsHaveOneEncoding is why a signature means one thing.
func TestNoTwoStatementsHaveOneEncoding(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "a", "b", "@a", "a\ngroup 2:@a", "1", "who 1:a\n", "\n"})
	draw := func(t *rapid.T) statement.Statement {
		return statement.Statement{
			ID: text.Draw(t, "id"), Who: text.Draw(t, "who"), Groups: rapid.SliceOfN(text, 0, 3).Draw(t, "groups"), How: text.Draw(t, "how"),
			What: text.Draw(t, "what"), Reason: text.Draw(t, "reason"), At: decided.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "at")) * time.Millisecond),
			Expires: decided, Release: text.Draw(t, "release"), Step: text.Draw(t, "step"), Digest: text.Draw(t, "digest"), PlanHash: text.Draw(t, "plan"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		if len(a.Groups)+len(b.Groups) == 0 {
			a.Groups, b.Groups = nil, nil
		}
		require.Equal(t, cmp.Equal(a, b), bytes.Equal(a.Encode(), b.Encode()))
	})
}

func other(t *testing.T) string {
	t.Helper()
	return otherKey(t).String()
}

func otherID(t *testing.T) string {
	t.Helper()
	return otherKey(t).ID()
}

func otherKey(t *testing.T) statement.Public {
	t.Helper()
	p, err := statement.Generate(bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	require.NoError(t, err)
	return p.Public()
}

func FuzzVerifyBelievesNothingThatWasNotSigned(f *testing.F) {
	p, err := statement.ParsePrivate(vectorPrivate)
	require.NoError(f, err)
	good, err := p.Sign(vector())
	require.NoError(f, err)
	trusted, err := statement.ParseKeys("*=" + vectorPublic)
	require.NoError(f, err)
	text, err := json.Marshal(good)
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"id":"x","key":"21fe31dfa154a261","signature":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s statement.Signed
		if json.Unmarshal(text, &s) != nil {
			return
		}
		if _, err := trusted.Verify(s, decided); err == nil {
			require.Equal(t, good.Encode(), s.Encode())
		}
	})
}

func FuzzKeysAreReadOrRefused(f *testing.F) {
	f.Add("*=" + vectorPublic)
	f.Add("ann+@ops=" + vectorPublic + ",")
	f.Add("=+=,\xff")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := statement.ParseKeys(text)
		if err != nil {
			return
		}
		for _, k := range read {
			again, err := statement.ParseKeys(k.String())
			require.NoError(t, err)
			require.Equal(t, k.String(), again[0].String())
		}
	})
}
