# `docker buildx bake`: both wheels for x86-64 in dist, by docker/Dockerfile.
variable "SOURCE_DATE_EPOCH" {
  default = null
}

group "default" {
  targets = ["wheels"]
}

target "wheels" {
  context    = "."
  dockerfile = "docker/Dockerfile"
  target     = "wheels"
  platforms  = ["linux/amd64"]
  output     = ["type=local,dest=dist"]
  args = {
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
}
