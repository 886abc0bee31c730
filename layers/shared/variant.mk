# Which gzip the layer brings: `no` is the standard library's, `yes` adds isal, the only native code.
# It is a file because sam build caches by the source folder, and not by the environment.
NATIVE = no
