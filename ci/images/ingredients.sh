# What each image is made of. Read by ci/images.sh, which sets $name, $context (a new folder) and $root (the folder root in it) and calls, for
# each image: ingredients_NAME, which prints what it depends on beside its files in ci/images, and stage_NAME, which puts its files below
# $root (and an empty folder data beside it, if it has state).
# shellcheck shell=bash disable=SC2154

# put FILE...: copies each file to its own path below $root. Folders of the path are resolved, so that /lib is /usr/lib where it is a
# link to it. What the base image has is left out.
put() {
  local file path
  for file in "$@"; do
    path="$(realpath "$(dirname "$file")")/${file##*/}"
    if [ ! -e "$root$path" ] && { [ "$name" = base ] || [ ! -e "out/images/base/root$path" ]; }; then
      mkdir -p "$root${path%/*}"
      cp --dereference "$path" "$root$path"
    fi
  done
}

# put_libraries FILE...: the shared libraries that these programs and libraries load, but for those that are below $root already.
put_libraries() {
  local -a found
  mapfile -t found < <(ldd "$@" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' |
    grep --invert-match --fixed-strings "$root/" | sort --unique)
  put "${found[@]}"
}

# shared_libraries FOLDER: the shared libraries in it.
shared_libraries() { find "$1" -name '*.so' -o -name '*.so.*'; }

# go_program PACKAGE NAME: builds a static program into out/images/programs and prints its digest. The commit is not in it: another one
# with the same code gives the same program.
go_program() {
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-s -o "out/images/programs/$2" "./$1"
  sha256sum "out/images/programs/$2"
}

libc() { ldd /bin/sh | sed -n 's/.*=> \(\/[^ ]*\/libc\.so[^ ]*\) .*/\1/p'; }
ingredients_base() { sha256sum /bin/sh /bin/cat "$(libc)"; }
stage_base() {
  local link library
  for link in bin lib lib64; do
    if [ -L "/$link" ]; then
      mkdir -p "$root/$(readlink "/$link")"
      ln -s "$(readlink "/$link")" "$root/$link"
    fi
  done
  put /bin/sh /bin/cat
  put_libraries /bin/sh /bin/cat
  library="$(libc)"
  for library in "${library%/*}"/lib{dl.so.2,gcc_s.so.1,m.so.6,pthread.so.0,resolv.so.2,rt.so.1,stdc++.so.6,z.so.1}; do
    put "$library"
  done
  mkdir -p "$root"/{etc,tmp,usr/local/bin}
  chmod 1777 "$root/tmp"
  printf '%s\n' 'root:x:0:0::/:/bin/sh' 'cloudstate:x:65532:65532::/tmp:/bin/sh' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'cloudstate:x:65532:' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  # COPY would make /tmp a folder like any other.
  tar --create --file "$context/root.tar" --directory "$root" --owner=0 --group=0 --sort=name --mtime=@0 .
}

ingredients_jre() { java -version 2>&1; }
stage_jre() {
  local -a libraries
  mkdir -p "$root/opt"
  jlink --no-header-files --no-man-pages --strip-java-debug-attributes --output "$root/opt/jre" --add-modules \
"java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,java.management.rmi,java.naming,java.rmi,java.scripting,\
java.security.jgss,java.sql,java.xml,jdk.attach,jdk.crypto.ec,jdk.management,jdk.management.agent,jdk.naming.dns,jdk.net,jdk.unsupported,jdk.zipfs"
  # What draws and plays has no screen here, and would bring the libraries of one.
  rm -f "$root"/opt/jre/lib/lib{awt,awt_headless,awt_xawt,fontmanager,freetype,javajpeg,jawt,jsound,lcms,mlib_image,splashscreen}.so
  mapfile -t libraries < <(shared_libraries "$root/opt/jre/lib")
  put_libraries "${libraries[@]}"
  "$root/opt/jre/bin/java" -Xshare:dump >/dev/null # The JVM starts in half the time with its classes as an archive.
}

ingredients_reference-proxy() { go_program reference-proxy/cmd/cloudstate-proxy cloudstate-proxy; }
stage_reference-proxy() {
  mkdir "$context/data" "$root/bin"
  cp out/images/programs/cloudstate-proxy "$root/bin"
}

ingredients_go-function() {
  go_program support-go/tckmodel/cmd/cloudstate-tck-model tck-model
  go_program samples/shoppingcart/cmd/shoppingcart shopping-cart
  go_program samples/shoppingcart/cmd/value-shoppingcart value-shopping-cart
}
stage_go-function() {
  mkdir "$root/bin"
  cp out/images/programs/{tck-model,shopping-cart,value-shopping-cart} "$root/bin"
}

ingredients_java-function() { ci/foreign-java.sh && cat out/foreign/java/inputs; }
stage_java-function() {
  mkdir "$root/app"
  cp -r out/foreign/java/{foreign-java.jar,lib} "$root/app"
}

ingredients_node-function() { ci/foreign-node.sh && cat out/foreign/node/inputs && node --version; }
stage_node-function() {
  local program
  program="$(node --print process.execPath)"
  put_libraries "$program"
  mkdir -p "$root/usr/local/bin"
  cp "$program" "$root/usr/local/bin/node"
  cp -r out/foreign/node "$root/app"
}

ingredients_python-function() { ci/foreign-python.sh && cat out/foreign/python/inputs && python3 --version; }
stage_python-function() {
  local program library
  local -a libraries
  program="$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')"
  library="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
  # Python finds its library from where its program is.
  mkdir -p "$root"/usr/local/{bin,lib}
  cp "$program" "$root/usr/local/bin/python3"
  tar --create --directory "${library%/*}" --exclude=config-* --exclude=site-packages --exclude=dist-packages --exclude=ensurepip --exclude=idlelib \
    --exclude=lib2to3 --exclude=test --exclude=tkinter --exclude=turtledemo --exclude=_tkinter* --exclude=*.opt-[12].pyc "${library##*/}" |
    tar --extract --directory "$root/usr/local/lib"
  mapfile -t libraries < <(shared_libraries "$root/usr/local/lib")
  put_libraries "$program" "${libraries[@]}"
  cp -r out/foreign/python "$root/app"
}

ingredients_cassandra() { sha256sum fixtures/servers/cassandra/pom.xml; }
stage_cassandra() {
  local version
  ci/setup/cassandra.sh
  version="$(sed -n '/cassandra-all/{n;s/.*<version>\(.*\)<\/version>.*/\1/p}' fixtures/servers/cassandra/pom.xml)"
  mkdir -p "$context/data" "$root/opt/cassandra/lib" "$root/usr/local/bin"
  cp "bin/tools/cassandra-$version"/*.jar "$root/opt/cassandra/lib"
  # Native code for other systems.
  rm -f "$root"/opt/cassandra/lib/*-{osx,windows}-*.jar
  cp ci/images/cassandra.args "$root/opt/cassandra/java.args"
  cp ci/images/cassandra.yaml "$root/opt/cassandra"
  cp ci/images/cassandra.logback.xml "$root/opt/cassandra/logback.xml"
  cp ci/images/cassandra.sh "$root/usr/local/bin/start-cassandra"
}

postgres_bin() { compgen -G '/usr/lib/postgresql/*/bin' | sort --version-sort | tail -n 1; }
ingredients_postgres() { ci/setup/postgres.sh && "$(postgres_bin)/postgres" --version; }
stage_postgres() {
  local bin version program
  local -a libraries
  bin="$(postgres_bin)"
  version="$(basename "$(dirname "$bin")")"
  mkdir -p "$context/data" "$root/usr/share/postgresql" "$root${bin%/bin}" "$root/usr/local/bin"
  cp -r "${bin%/bin}/lib" "$root${bin%/bin}"
  # Compiling queries takes 100 MB of LLVM.
  rm -rf "$root${bin%/bin}"/lib/{bitcode,llvmjit*,pgxs}
  cp -r "/usr/share/postgresql/$version" "$root/usr/share/postgresql"
  cp -r /usr/share/zoneinfo "$root/usr/share"
  for program in postgres initdb pg_ctl pg_isready psql; do
    put "$bin/$program"
    ln -s "$bin/$program" "$root/usr/local/bin/$program"
  done
  mapfile -t libraries < <(shared_libraries "$root${bin%/bin}/lib")
  put_libraries "$bin"/{postgres,initdb,pg_ctl,pg_isready,psql} "${libraries[@]}"
  cp ci/images/postgres.sh "$root/usr/local/bin/start-postgres"
}
