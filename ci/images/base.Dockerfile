# What programs that are not static stand on: the C and C++ libraries, a shell for scripts, a user. Nothing else is in it.
# It has no health of its own; the images on it say theirs.
FROM scratch
ADD root.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8
USER 65532:65532
