/*
 * The signer against published vectors: the AWS Signature Version 4 test suite (its credentials,
 * date, region and service), and the examples of the S3 documentation.
 */
#include "transfer/sigv4.h"

#include "base/memory.h"
#include "base/redact.h"
#include "transfer/http.h"
#include "transfer/sigv4_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ALPHABET "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define SUITE_HEADERS                                                                              \
    {                                                                                              \
        {"host", "example.amazonaws.com"}, {                                                       \
            "x-amz-date", "20150830T123600Z"                                                       \
        }                                                                                          \
    }
#define DOCUMENT_HEADERS                                                                           \
    {                                                                                              \
        {"host", "examplebucket.s3.amazonaws.com"}, {"x-amz-content-sha256", EMPTY}, {             \
            "x-amz-date", "20130524T000000Z"                                                       \
        }                                                                                          \
    }
#define TOKEN                                                                                      \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP" \
    "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT" \
    "7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlz" \
    "m8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

struct vector {
    const char *name;
    const char *method, *path, *query;
    struct sigv4_header headers[5];
    const char *body;
    const char *canonical_hash; /* last line of the string to sign */
    const char *signature;
};

static const struct vector suite[] = {
    {"get-vanilla", "GET", "/", "", SUITE_HEADERS, "",
     "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-empty-query-key", "GET", "/", "Param1=value1", SUITE_HEADERS, "",
     "1e24db194ed7d0eec2de28d7369675a243488e08526e8c1c73571282f7c517ab",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key", "GET", "/", "Param1=value2&Param1=Value1", SUITE_HEADERS, "",
     "704b4cef673542d84cdff252633f065e8daeba5f168b77116f8b1bcaf3d38f89",
     "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"},
    {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", SUITE_HEADERS,
     "", "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-value", "GET", "/", "Param1=value2&Param1=value1", SUITE_HEADERS, "",
     "c968629d70850097a2d8781c9bf7edcb988b04cac14cca9be4acc3595f884606",
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {"get-vanilla-query-unreserved", "GET", "/", ALPHABET "=" ALPHABET, SUITE_HEADERS, "",
     "c30d4703d9f799439be92736156d47ccfb2d879ddf56f5befa6d1d6aab979177",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query", "GET", "/", "\xE1\x88\xB4=bar", SUITE_HEADERS, "",
     "eb30c5bed55734080471a834cc727ae56beb50e5f39d1bff6d0d38cb192a7073",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-unreserved", "GET", "/" ALPHABET, "", SUITE_HEADERS, "",
     "6a968768eefaa713e2a6b16b589a8ea192661f098f37349f4e2c0082757446f9",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/\xE1\x88\xB4", "", SUITE_HEADERS, "",
     "2a0a97d02205e45ce2e994789806b19270cfbbb0921b278ccf58f5249ac42102",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-space", "GET", "/example space/", "", SUITE_HEADERS, "",
     "63ee75631ed7234ae61b5f736dfc7754cdccfedbff4b5128a915706ee9390d86",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"post-vanilla", "POST", "/", "", SUITE_HEADERS, "",
     "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query", "POST", "/", "Param1=value1", SUITE_HEADERS, "",
     "9d659678c1756bb3113e2ce898845a0a79dbbc57b740555917687f1b3340fbbd",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-header-key-sort",
     "POST",
     "/",
     "",
     {{"host", "example.amazonaws.com"},
      {"my-header1", "value1"},
      {"x-amz-date", "20150830T123600Z"}},
     "",
     "9368318c2967cf6de74404b30c65a91e8f6253e0a8659d6d5319f1a812f87d65",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case",
     "POST",
     "/",
     "",
     {{"host", "example.amazonaws.com"},
      {"my-header1", "VALUE1"},
      {"x-amz-date", "20150830T123600Z"}},
     "",
     "d51ced243e649e3de6ef63afbbdcbca03131a21a7103a1583706a64618606a93",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     {{"content-type", "application/x-www-form-urlencoded"},
      {"host", "example.amazonaws.com"},
      {"x-amz-date", "20150830T123600Z"}},
     "Param1=value1",
     "42a5e5bb34198acb3e84da4f085bb7927f2bc277ca766e6d19c73c2154021281",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-x-www-form-urlencoded-parameters",
     "POST",
     "/",
     "",
     {{"content-type", "application/x-www-form-urlencoded; charset=utf8"},
      {"host", "example.amazonaws.com"},
      {"x-amz-date", "20150830T123600Z"}},
     "Param1=value1",
     "2e1cf7ed91881a30569e46552437e4156c823447bf1781b921b5d486c568dd1c",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
    {"post-sts-header-before",
     "POST",
     "/",
     "",
     {{"host", "example.amazonaws.com"},
      {"x-amz-date", "20150830T123600Z"},
      {"x-amz-security-token", TOKEN}},
     "",
     "c237e1b440d4c63c32ca95b5b99481081cb7b13c7e40434868e71567c1a882f6",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static const struct vector documentation[] = {
    {"get-object-range",
     "GET",
     "/test.txt",
     "",
     {{"host", "examplebucket.s3.amazonaws.com"},
      {"range", "bytes=0-9"},
      {"x-amz-content-sha256", EMPTY},
      {"x-amz-date", "20130524T000000Z"}},
     "",
     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"put-object",
     "PUT",
     "/test$file.text",
     "",
     {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
      {"host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
      {"x-amz-date", "20130524T000000Z"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     "Welcome to Amazon S3.",
     "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"get-bucket-lifecycle", "GET", "/", "lifecycle", DOCUMENT_HEADERS, "",
     "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"get-bucket-list", "GET", "/", "prefix=J&max-keys=2", DOCUMENT_HEADERS, "",
     "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static const char suite_secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
static const char document_secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

static void check_vector(const struct vector *vector, const char *secret,
                         const struct sigv4_scope *scope) {
    struct buffer path = {0}, query = {0}, canonical = {0}, to_sign = {0};
    char payload[SIGV4_HEX_SIZE], signature[SIGV4_HEX_SIZE];
    size_t headers = 0;
    while (headers < COUNT(vector->headers) && vector->headers[headers].name)
        headers++;
    sigv4_canonical_path(vector->path, strlen(vector->path), &path);
    sigv4_canonical_query(vector->query, strlen(vector->query), &query);
    sigv4_sha256(vector->body, strlen(vector->body), payload);
    struct sigv4_request request = {.method = vector->method,
                                    .path = path.data,
                                    .path_length = path.length,
                                    .query = query.data,
                                    .query_length = query.length,
                                    .headers = vector->headers,
                                    .header_count = headers,
                                    .payload = payload};
    sigv4_canonical_request(&request, &canonical);
    sigv4_string_to_sign(scope, &canonical, &to_sign);
    sigv4_signature(secret, scope, &to_sign, signature);
    char *expected =
        memory_format("AWS4-HMAC-SHA256\n%s\n%.8s/us-east-1/%s/aws4_request\n%s", scope->stamp,
                      scope->stamp, scope->service, vector->canonical_hash);
    if (strcmp(buffer_text(&to_sign), expected) != 0)
        fail_msg("%s: the canonical request is %s", vector->name, buffer_text(&canonical));
    if (strcmp(signature, vector->signature) != 0)
        fail_msg("%s: the signature is %s", vector->name, signature);
    memory_free(expected);
    buffer_free(&path);
    buffer_free(&query);
    buffer_free(&canonical);
    buffer_free(&to_sign);
}

static void the_suite_is_reproduced(void **state) {
    (void)state;
    const struct sigv4_scope scope = {"20150830T123600Z", "us-east-1", "service"};
    for (size_t i = 0; i < COUNT(suite); i++)
        check_vector(&suite[i], suite_secret, &scope);
}

static void the_documentation_is_reproduced(void **state) {
    (void)state;
    const struct sigv4_scope scope = {"20130524T000000Z", "us-east-1", "s3"};
    for (size_t i = 0; i < COUNT(documentation); i++)
        check_vector(&documentation[i], document_secret, &scope);
}

static void a_canonical_request_is_written_out(void **state) {
    (void)state;
    const struct sigv4_header headers[] = SUITE_HEADERS;
    struct buffer out = {0};
    struct sigv4_request request = {.method = "GET",
                                    .path = "/",
                                    .path_length = 1,
                                    .query = "a=",
                                    .query_length = 2,
                                    .headers = headers,
                                    .header_count = 2,
                                    .payload = EMPTY};
    sigv4_canonical_request(&request, &out);
    assert_string_equal(buffer_text(&out),
                        "GET\n/\na=\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
                        "host;x-amz-date\n" EMPTY);
    buffer_free(&out);
}

static void paths_and_queries_get_one_form(void **state) {
    (void)state;
    static const struct {
        bool query;
        const char *text, *canonical;
    } cases[] = {
        {false, "", "/"},
        {false, "/a/b/", "/a/b/"},
        {false, "//a//./../b", "//a//./../b"}, /* keys may be like that */
        {false, "/a%2fb%2Fc", "/a%2Fb%2Fc"},
        {false, "/a b+c=d&e", "/a%20b%2Bc%3Dd%26e"},
        {false, "/%41%7e%2d", "/A~-"},
        {false, "/100%", "/100%25"},
        {false, "/%4", "/%254"},
        {false, "/%zz%25zz", "/%25zz%25zz"},
        {false, "/\xC3\xBC%C3%BC", "/%C3%BC%C3%BC"},
        {false, "/!*'()$,;:@", "/%21%2A%27%28%29%24%2C%3B%3A%40"},
        {false, "/\x01\x7F\xFF", "/%01%7F%FF"},
        {true, "", ""},
        {true, "&&", ""},
        {true, "a", "a="},
        {true, "a&a=", "a=&a="},
        {true, "=v", "=v"},
        {true, "b=1&a=2", "a=2&b=1"},
        {true, "a=2&a=10&a=1", "a=1&a=10&a=2"},
        {true, "a-b=1&a=2", "a=2&a-b=1"}, /* names are compared, not pairs */
        {true, "a=b=c", "a=b%3Dc"},
        {true, "a=b/c?d", "a=b%2Fc%3Fd"},
        {true, "p=x y", "p=x%20y"},
        {true, "p=x%20y+z", "p=x%20y%2Bz"},
        {true, "A=1&a=2&%41=0", "A=0&A=1&a=2"},
        {true, "list-type=2&prefix=a%2Fb&continuation-token=1%2B2%3D",
         "continuation-token=1%2B2%3D&list-type=2&prefix=a%2Fb"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer out = {0};
        size_t length = strlen(cases[i].text);
        char *text = memory_alloc(length); /* without a NUL, for the sanitizer */
        memcpy(text, cases[i].text, length);
        if (cases[i].query)
            sigv4_canonical_query(text, length, &out);
        else
            sigv4_canonical_path(text, length, &out);
        assert_string_equal(buffer_text(&out), cases[i].canonical);
        memory_free(text);
        buffer_free(&out);
    }
}

static struct signer *make_signer(const char *token, const char *service) {
    return signer_sigv4_new(&(struct sigv4_credentials){"AKIAIOSFODNN7EXAMPLE", document_secret,
                                                        token, "us-east-1", service,
                                                        strcmp(service, "s3") == 0});
}

static const double document_time = 1369353600; /* 2013-05-24T00:00:00Z */

static struct error *sign(const struct signer *signer, const char *method, const char *url,
                          const char *body, struct buffer *lines, char **sent) {
    struct signable what = {.method = method,
                            .url = url,
                            .body = body,
                            .body_length = strlen(body),
                            .wall = document_time};
    return signer_sign(signer, &what, lines, sent);
}

static void a_request_is_signed_as_the_documentation_says(void **state) {
    (void)state;
    struct signer *signer = make_signer(NULL, "s3");
    struct buffer lines = {0};
    char *url = NULL;
    assert_null(sign(signer, "GET",
                     "https://ExampleBucket.s3.amazonaws.com:443?prefix=J&max-keys=2", "", &lines,
                     &url));
    /* The host is as it was given; the example's is in lower case. */
    assert_string_equal(url, "https://ExampleBucket.s3.amazonaws.com/?max-keys=2&prefix=J");
    memory_free(url);
    buffer_clear(&lines);
    assert_null(sign(signer, "GET", "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2",
                     "", &lines, &url));
    assert_string_equal(url, "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J");
    assert_string_equal(
        buffer_text(&lines),
        "x-amz-content-sha256: " EMPTY "\r\nx-amz-date: 20130524T000000Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\r\n");
    memory_free(url);
    buffer_free(&lines);
    signer_unref(signer);
}

/* What the signer gives, recomputed from the steps. */
static void assert_signature(const char *lines, const char *service, const char *path,
                             const char *query, const char *host, const char *token,
                             const char *body) {
    struct buffer canonical = {0}, to_sign = {0};
    char payload[SIGV4_HEX_SIZE], signature[SIGV4_HEX_SIZE];
    const struct sigv4_scope scope = {"20130524T000000Z", "us-east-1", service};
    sigv4_sha256(body, strlen(body), payload);
    const struct sigv4_header headers[] = {{"host", host},
                                           {"x-amz-content-sha256", payload},
                                           {"x-amz-date", scope.stamp},
                                           {"x-amz-security-token", token}};
    struct sigv4_request request = {.method = "POST",
                                    .path = path,
                                    .path_length = strlen(path),
                                    .query = query,
                                    .query_length = strlen(query),
                                    .headers = headers,
                                    .header_count = token ? 4 : 3,
                                    .payload = payload};
    sigv4_canonical_request(&request, &canonical);
    sigv4_string_to_sign(&scope, &canonical, &to_sign);
    sigv4_signature(document_secret, &scope, &to_sign, signature);
    char *expected = memory_format("Signature=%s\r\n", signature);
    assert_non_null(strstr(lines, expected));
    memory_free(expected);
    buffer_free(&canonical);
    buffer_free(&to_sign);
}

static void other_services_encode_the_path_twice(void **state) {
    (void)state;
    static const struct {
        const char *service, *url, *host, *path, *query, *sent;
    } cases[] = {
        {"s3", "http://[::1]:9000/b/a%20b/%E1%88%B4?x", "[::1]:9000", "/b/a%20b/%E1%88%B4",
         "x=", "http://[::1]:9000/b/a%20b/%E1%88%B4?x="},
        {"sts", "http://[::1]:9000/b/a%20b/%E1%88%B4?x", "[::1]:9000", "/b/a%2520b/%25E1%2588%25B4",
         "x=", "http://[::1]:9000/b/a%20b/%E1%88%B4?x="},
        {"sts", "https://sts.example.org", "sts.example.org", "/", "", "https://sts.example.org/"},
        {"s3", "http://h:80/x?", "h", "/x", "", "http://h/x"},
        {"s3", "http://h:443/x", "h:443", "/x", "", "http://h:443/x"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct signer *signer = make_signer("tok/en+=", cases[i].service);
        struct buffer lines = {0};
        char *url = NULL;
        buffer_string(&lines, "kept: x\r\n");
        assert_null(sign(signer, "POST", cases[i].url, "Action=x", &lines, &url));
        assert_string_equal(url, cases[i].sent);
        assert_memory_equal(buffer_text(&lines), "kept: x\r\n", 9);
        assert_non_null(strstr(lines.data, "\r\nx-amz-security-token: tok/en+=\r\n"));
        assert_non_null(strstr(
            lines.data, "host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature="));
        assert_signature(lines.data, cases[i].service, cases[i].path, cases[i].query, cases[i].host,
                         "tok/en+=", "Action=x");
        memory_free(url);
        buffer_free(&lines);
        signer_unref(signer);
    }
}

/* "GET Object" of the S3 documentation signs a range too; its x-amz headers are those of every
 * request, and so one more must come into the list at its place and nothing else may. */
static void the_requests_own_amz_headers_are_signed(void **state) {
    (void)state;
    static const struct http_header headers[] = {{"Range", "bytes=0-9", false},
                                                 {"X-Amz-Checksum-Mode", "ENABLED", false},
                                                 {"x-amz-meta", "z", false},
                                                 {"x-amzn", "no", false}};
    struct signer *signer = make_signer("token-1", "s3");
    struct signable what = {.method = "GET",
                            .url = "https://h/k",
                            .headers = headers,
                            .header_count = COUNT(headers),
                            .wall = document_time};
    struct buffer with = {0}, without = {0};
    char *url = NULL;
    assert_null(signer_sign(signer, &what, &with, &url));
    memory_free(url);
    assert_non_null(strstr(buffer_text(&with),
                           "SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;"
                           "x-amz-meta;x-amz-security-token, "));
    assert_null(strstr(with.data, "ENABLED"));
    what.header_count = 1;
    assert_null(signer_sign(signer, &what, &without, &url));
    memory_free(url);
    assert_string_not_equal(strstr(with.data, "Signature="),
                            strstr(buffer_text(&without), "Signature="));
    buffer_free(&with);
    buffer_free(&without);
    signer_unref(signer);
}

static void what_cannot_be_signed_is_refused(void **state) {
    (void)state;
    static const char *const urls[] = {"",
                                       "/path",
                                       "ftp://h/",
                                       "http://u:p@h/",
                                       "http://h/#f",
                                       "http://h/?a=secret#f",
                                       "http://h/ ?secret",
                                       "http://h/a b"};
    struct signer *signer = make_signer(NULL, "s3");
    struct buffer lines = {0};
    char *url = "?";
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct error *error = sign(signer, "GET", urls[i], "", &lines, &url);
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_INVALID);
        assert_null(url);
        char *text = error_text(error);
        assert_null(strstr(text, "secret"));
        memory_free(text);
        error_free(error);
    }
    signer_unref(signer);
    static const char *const tokens[] = {"token\r\nX-Evil: yes", "to ken", "token\x7F"};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        signer = make_signer(tokens[i], "s3");
        struct error *error = sign(signer, "GET", "http://h/", "", &lines, &url);
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_INVALID);
        assert_non_null(strstr(error->message, "the session token must not contain"));
        assert_null(strstr(error->message, "ken\r"));
        error_free(error);
        signer_unref(signer);
    }
    assert_int_equal(lines.length, 0);
}

static void assert_shows(const char *text, const char *expected) {
    struct buffer shown = {0};
    buffer_string(&shown, text);
    redact(&shown, 0);
    assert_string_equal(buffer_text(&shown), expected);
    buffer_free(&shown);
}

static void secrets_are_known_while_the_signer_lives(void **state) {
    (void)state;
    struct signer *signer = make_signer("the-session-token", "s3");
    struct signer *second = signer_ref(signer);
    assert_ptr_equal(signer, second);
    signer_unref(second);
    assert_shows(document_secret, "***");
    assert_shows("a the-session-token b", "a *** b");
    assert_shows("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"); /* is no secret */
    signer_unref(signer);
    assert_shows(document_secret, document_secret);
    assert_shows("the-session-token", "the-session-token");
    signer_unref(NULL);
}

static void stamps_are_in_utc(void **state) {
    (void)state;
    char stamp[SIGV4_STAMP_SIZE];
    sigv4_stamp(0, stamp);
    assert_string_equal(stamp, "19700101T000000Z");
    sigv4_stamp(1440938160.999, stamp);
    assert_string_equal(stamp, "20150830T123600Z");
    sigv4_stamp(1709164799, stamp);
    assert_string_equal(stamp, "20240228T235959Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_suite_is_reproduced),
        cmocka_unit_test(the_documentation_is_reproduced),
        cmocka_unit_test(a_canonical_request_is_written_out),
        cmocka_unit_test(paths_and_queries_get_one_form),
        cmocka_unit_test(a_request_is_signed_as_the_documentation_says),
        cmocka_unit_test(other_services_encode_the_path_twice),
        cmocka_unit_test(the_requests_own_amz_headers_are_signed),
        cmocka_unit_test(what_cannot_be_signed_is_refused),
        cmocka_unit_test(secrets_are_known_while_the_signer_lives),
        cmocka_unit_test(stamps_are_in_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
