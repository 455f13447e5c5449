package objects

import (
	"encoding/xml"
	"net/http"
)

type tagging struct {
	XMLName xml.Name     `xml:"Tagging"`
	Space   string       `xml:"xmlns,attr,omitempty"`
	Set     []tagElement `xml:"TagSet>Tag"`
}

type tagElement struct{ Key, Value string }

// ref is the object that the request's address names.
func (q *request) ref() Ref {
	return Ref{q.target.bucket, q.key, q.query.Get("versionId")}
}

func (d *Door) getTagging(q *request) error {
	tags, version, err := d.store.Tags(q.Context(), q.ref())
	if err != nil {
		return err
	}
	q.writeVersion(version)
	return q.answerXML(taggingOf(tags))
}

func taggingOf(tags []Tag) tagging {
	out := tagging{Space: namespace, Set: []tagElement{}}
	for _, t := range tags {
		out.Set = append(out.Set, tagElement(t))
	}
	return out
}

func (d *Door) putTagging(q *request) error {
	var in tagging
	if err := q.readXML(&in); err != nil {
		return err
	}
	return d.setTags(q, in.tags(), http.StatusOK)
}

func (t tagging) tags() []Tag {
	var all []Tag
	for _, e := range t.Set {
		all = append(all, Tag(e))
	}
	return all
}

func (d *Door) deleteTagging(q *request) error {
	return d.setTags(q, nil, http.StatusNoContent)
}

func (d *Door) setTags(q *request, tags []Tag, status int) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	version, err := d.store.SetTags(q.Context(), q.ref(), tags)
	if err != nil {
		return err
	}
	q.writeVersion(version)
	q.w.WriteHeader(status)
	return nil
}
