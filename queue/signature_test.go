package queue

import "testing"

// A source is the same whoever signed its URL and when; what is no signature
// tells sources apart.
func TestUnsigned(t *testing.T) {
	for source, want := range map[string]string{
		"https://b.s3.amazonaws.com/film.mov?X-Amz-Algorithm=A&X-Amz-Credential=k%2F2026&X-Amz-Date=1&X-Amz-Expires=9&X-Amz-Security-Token=t&X-Amz-Signature=ab": "https://b.s3.amazonaws.com/film.mov",
		"https://b.s3.amazonaws.com/film.mov?versionId=7&X-Amz-Signature=ab&x-amz-date=1":                                                                        "https://b.s3.amazonaws.com/film.mov?versionId=7",
		"https://b.s3.amazonaws.com/film.mov?AWSAccessKeyId=k&Expires=1&Signature=s%3D&part=2":                                                                   "https://b.s3.amazonaws.com/film.mov?part=2",
		"https://storage.googleapis.com/b/f?X-Goog-Algorithm=G&X-Goog-Signature=1":                                                                               "https://storage.googleapis.com/b/f",
		"https://d1.cloudfront.net/f.mp4?Policy=p&Signature=s&Key-Pair-Id=K#x":                                                                                   "https://d1.cloudfront.net/f.mp4#x",
		"https://a.blob.core.windows.net/c/f.mp4?sv=2024&se=2026&sr=b&sp=r&sig=abc%3D":                                                                           "https://a.blob.core.windows.net/c/f.mp4",
		"https://example.com/watch?film=1&expires=2&signature=s":                                                                                                 "https://example.com/watch?film=1&expires=2&signature=s",
		"https://example.com/f?se=north":     "https://example.com/f?se=north",
		"https://example.com/f":              "https://example.com/f",
		"s3://bucket/what?X-Amz-Signature=1": "s3://bucket/what?X-Amz-Signature=1",
		"drop":                               "drop",
	} {
		if got := Unsigned(source); got != want {
			t.Errorf("%s is %s, want %s", source, got, want)
		}
	}
	one, two := IDOf("p", "https://h/f?X-Amz-Signature=1", "", "web"), IDOf("p", "https://h/f?X-Amz-Signature=2", "", "web")
	if one != two || one == IDOf("p", "https://h/g?X-Amz-Signature=1", "", "web") {
		t.Error("a signature makes another job, or the path none")
	}
}
