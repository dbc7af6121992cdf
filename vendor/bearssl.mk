# Builds BearSSL as a static library: a make of its own, because its sources
# are known only once they are fetched. The linker takes what the agent uses.
#
# make -f vendor/bearssl.mk SRC=… DIR=… CC=… AR=… CFLAGS=…

SRCS := $(sort $(wildcard $(SRC)/src/*.c $(SRC)/src/*/*.c))
OBJS := $(SRCS:$(SRC)/src/%.c=$(DIR)/%.o)

$(DIR)/libbearssl.a: $(OBJS)
	@rm -f $@
	@$(AR) rcsD $@ $^

# What a resumed session spends its time in: the handshake's interpreter and
# SHA-256.
HOT := ssl/ssl_hs_client hash/sha2small
$(HOT:%=$(DIR)/%.o): private SPEED := -O2

# The file that combines the curves gets the small implementations, which share
# their arithmetic, in place of one made for each.
$(DIR)/ec/ec_all_m31.o: private CHOICE := -Dbr_ec_p256_m31=br_ec_prime_i31 \
	-Dbr_ec_c25519_m31=br_ec_c25519_i31

$(DIR)/%.o: $(SRC)/src/%.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(SPEED) $(CHOICE) -I$(SRC)/inc -I$(SRC)/src -c -o $@ $<
