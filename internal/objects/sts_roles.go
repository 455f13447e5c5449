package objects

// roleSelf is the role by which access tokens of this product become keys of their user.
const roleSelf = "self"
