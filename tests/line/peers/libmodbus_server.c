/* A slow PLC behind libmodbus: see peer.py for what it is told, and for the log that it writes.
 *
 * One process, one request at a time, whoever asked: a request on one connection waits for that of another.
 * The memory is the library's own mapping, written by its modbus_reply after the delay, just before the answer. */
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

enum { COILS = 4096, REGISTERS = 4096, HEADER = 7, LINE_RUNNING = 1, HEARTBEAT = 32 };

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(int64_t ns) {
    struct timespec t = {ns / 1000000000LL, ns % 1000000000LL};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) {}
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: %s SEED LEAST_US MOST_US LOG SEQ_COIL STATUS ACK ACTED_ON\n", argv[0]);
        return 2;
    }
    const int64_t least_ns = atol(argv[2]) * 1000LL, span_ns = atol(argv[3]) * 1000LL - least_ns;
    const int seq_coil = atoi(argv[5]), status = atoi(argv[6]), ack = atoi(argv[7]), acted_on = atoi(argv[8]);
    static int connection_of[FD_SETSIZE];
    int connections = 0, listener;
    struct sockaddr_in where;
    socklen_t size = sizeof where;
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    fd_set watched;
    FILE *log = fopen(argv[4], "w");
    modbus_t *plc = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *memory = modbus_mapping_new(COILS, 0, REGISTERS, 0);

    srand48(atol(argv[1]));
    if (log == NULL || plc == NULL || memory == NULL || (listener = modbus_tcp_listen(plc, 8)) < 0) {
        perror("libmodbus_server");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&where, &size);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    FD_ZERO(&watched);
    FD_SET(STDIN_FILENO, &watched);
    FD_SET(listener, &watched);
    for (;;) {
        fd_set ready = watched;
        if (select(FD_SETSIZE, &ready, NULL, NULL, NULL) < 0) return 1;
        if (FD_ISSET(STDIN_FILENO, &ready)) return fclose(log) == 0 ? 0 : 1;
        if (FD_ISSET(listener, &ready)) {
            int fd = listener;
            if ((fd = modbus_tcp_accept(plc, &fd)) >= 0) {
                int64_t ns = now_ns();
                connection_of[fd] = ++connections;
                FD_SET(fd, &watched);
                fprintf(log, "%lld %lld %lld %d 0 0\n", (long long)ns, (long long)ns, (long long)ns, connections);
            }
        }
        for (int fd = listener + 1; fd < FD_SETSIZE; fd++) {
            if (!FD_ISSET(fd, &ready)) continue;
            modbus_set_socket(plc, fd);
            int length = modbus_receive(plc, query);
            int64_t read_ns = now_ns(), wrote_ns;
            if (length == 0) continue;
            if (length < 0) {
                close(fd);
                FD_CLR(fd, &watched);
                continue;
            }
            sleep_until(read_ns + least_ns + (int64_t)(drand48() * span_ns));
            memory->tab_registers[status] = LINE_RUNNING | (now_ns() / 100000000LL & 1 ? HEARTBEAT : 0);
            wrote_ns = now_ns();
            modbus_reply(plc, query, length, memory);
            int function = query[HEADER], address = query[HEADER + 1] << 8 | query[HEADER + 2];
            int count = function == 15 || function == 16 ? query[HEADER + 3] << 8 | query[HEADER + 4] : 0;
            int64_t answered_ns = now_ns();
            fprintf(log, "%lld %lld %lld %d %d %d", (long long)read_ns, (long long)wrote_ns, (long long)answered_ns,
                    connection_of[fd], function, address);
            for (int i = address; i < address + count; i++)
                fprintf(log, " %d", function == 15 ? memory->tab_bits[i] : memory->tab_registers[i]);
            fputc('\n', log);
            memory->tab_registers[ack] = memory->tab_registers[acted_on] =
                modbus_get_byte_from_bits(memory->tab_bits, seq_coil, 8);
        }
    }
}
