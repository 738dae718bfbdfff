package queue

import (
	"net/url"
	"slices"
	"strings"
)

// signatures are what is added to a URL to let its bearer in, by the parameter
// that tells of which kind it is. A name that ends with "-" begins others.
var signatures = map[string][]string{
	"x-amz-signature":  {"x-amz-"},
	"x-goog-signature": {"x-goog-"},
	"awsaccesskeyid":   {"awsaccesskeyid", "signature", "expires", "x-amz-security-token"}, // S3, version 2
	"googleaccessid":   {"googleaccessid", "signature", "expires"},
	"key-pair-id":      {"key-pair-id", "signature", "expires", "policy", "hash-algorithm"},                                                  // CloudFront
	"sig":              {"sig", "se", "st", "sp", "sv", "sr", "spr", "sip", "skoid", "sktid", "skt", "ske", "sks", "skv", "srt", "ss", "si"}, // Azure
}

// Unsigned is a URL without its signature, which is another each time that one
// is asked for. What is no signed http URL stays as it is.
func Unsigned(source string) string {
	head, rest, found := strings.Cut(source, "?")
	if !found || !strings.HasPrefix(head, "http://") && !strings.HasPrefix(head, "https://") {
		return source
	}
	query, fragment, hasFragment := strings.Cut(rest, "#")
	all := strings.Split(query, "&")
	var drop []string
	for _, p := range all {
		drop = append(drop, signatures[nameOf(p)]...)
	}
	if drop == nil {
		return source
	}
	if left := slices.DeleteFunc(all, func(p string) bool { return signs(nameOf(p), drop) }); len(left) > 0 {
		head += "?" + strings.Join(left, "&")
	}
	if hasFragment {
		head += "#" + fragment
	}
	return head
}

func nameOf(parameter string) string {
	name, _, _ := strings.Cut(parameter, "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return strings.ToLower(name)
}

func signs(name string, names []string) bool {
	return slices.ContainsFunc(names, func(x string) bool {
		return name == x || strings.HasSuffix(x, "-") && strings.HasPrefix(name, x)
	})
}
