/* The part of Level Zero's C interface that wattmul calls, written from its specification: sysman (zes), which tells of power,
 * and two calls of the core (ze) by which drivers older than zesInit list their devices. No include, so that bindgen needs no
 * header of any system: libclang alone will do.
 *
 * A struct names its own kind first, and then the next struct of a chain, or null. A driver skips the kinds that it does not
 * know, so that what they hold is set to "not told" before a call. A count of 0 asks how many there are.
 */
#ifndef WATTMUL_LEVEL_ZERO_H
#define WATTMUL_LEVEL_ZERO_H

typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t; /* as wide on Windows too, where long is not */
typedef unsigned long long uint64_t;

typedef uint32_t ze_result_t;
#define ZE_RESULT_SUCCESS 0
#define ZE_RESULT_ERROR_DEVICE_LOST 0x70000001
#define ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET 0x70000006
#define ZE_RESULT_ERROR_DEVICE_IN_LOW_POWER_STATE 0x70000007
#define ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS 0x70010000
#define ZE_RESULT_ERROR_NOT_AVAILABLE 0x70010001
#define ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE 0x70020000
#define ZE_RESULT_ERROR_UNINITIALIZED 0x78000001
#define ZE_RESULT_ERROR_UNSUPPORTED_VERSION 0x78000002
#define ZE_RESULT_ERROR_UNSUPPORTED_FEATURE 0x78000003

/* Without zesInit a handle of the core is one of sysman as well. */
typedef struct zes_driver_object *zes_driver_handle_t;
typedef struct zes_device_object *zes_device_handle_t;
typedef struct zes_power_object *zes_pwr_handle_t;
typedef struct zes_frequency_object *zes_freq_handle_t;
typedef struct zes_temperature_object *zes_temp_handle_t;

/* Kinds of structs. */
#define ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES 0x3
#define ZES_STRUCTURE_TYPE_DEVICE_PROPERTIES 0x1
#define ZES_STRUCTURE_TYPE_PCI_PROPERTIES 0x2
#define ZES_STRUCTURE_TYPE_FREQ_PROPERTIES 0x9
#define ZES_STRUCTURE_TYPE_POWER_PROPERTIES 0xd
#define ZES_STRUCTURE_TYPE_TEMP_PROPERTIES 0x14
#define ZES_STRUCTURE_TYPE_FREQ_STATE 0x1b
#define ZES_STRUCTURE_TYPE_POWER_LIMIT_EXT_DESC 0x27
#define ZES_STRUCTURE_TYPE_POWER_EXT_PROPERTIES 0x28
#define ZES_STRUCTURE_TYPE_DEVICE_EXT_PROPERTIES 0x2d

#define ZE_DEVICE_TYPE_GPU 1
#define ZE_DEVICE_PROPERTY_FLAG_INTEGRATED 1

/* A device as the core knows it. */
typedef struct {
    uint32_t stype;
    void *pNext;
    uint32_t type;
    uint32_t vendorId;
    uint32_t deviceId;
    uint32_t flags;
    uint32_t subdeviceId;
    uint32_t coreClockRate;
    uint64_t maxMemAllocSize;
    uint32_t contexts_and_shape[7];
    uint64_t timerResolution;
    uint32_t timestampBits[2];
    uint8_t uuid[16];
    char name[256];
} ze_device_properties_t;

#define ZES_STRING_PROPERTY_SIZE 64
typedef struct {
    uint32_t stype;
    void *pNext;
    ze_device_properties_t core;
    uint32_t numSubdevices;
    char serialNumber[ZES_STRING_PROPERTY_SIZE];
    char boardNumber[ZES_STRING_PROPERTY_SIZE];
    char brandName[ZES_STRING_PROPERTY_SIZE];
    char modelName[ZES_STRING_PROPERTY_SIZE];
    char vendorName[ZES_STRING_PROPERTY_SIZE];
    char driverVersion[ZES_STRING_PROPERTY_SIZE];
} zes_device_properties_t;

/* Behind zes_device_properties_t: what sysman tells by itself where the core was not started. */
typedef struct {
    uint32_t stype;
    void *pNext;
    uint8_t uuid[16];
    uint32_t type;
    uint32_t flags;
} zes_device_ext_properties_t;

typedef struct {
    uint32_t stype;
    void *pNext;
    uint32_t domain; /* the address, with the three that follow */
    uint32_t bus;
    uint32_t device;
    uint32_t function;
    int32_t generation;
    int32_t width;
    int64_t maxBandwidth;
    uint8_t counters[3];
} zes_pci_properties_t;

typedef struct {
    uint32_t stype;
    void *pNext;
    uint8_t onSubdevice; /* a truth value */
    uint32_t subdeviceId;
    uint8_t canControl;
    uint8_t isEnergyThresholdSupported;
    int32_t defaultLimit; /* mW; -1 where not known */
    int32_t minLimit;
    int32_t maxLimit;
} zes_power_properties_t;

#define ZES_POWER_LEVEL_SUSTAINED 1
#define ZES_POWER_LEVEL_BURST 2
#define ZES_POWER_LEVEL_PEAK 3
#define ZES_LIMIT_UNIT_POWER 2

typedef struct {
    uint32_t stype;
    const void *pNext;
    uint32_t level;
    uint32_t source;
    uint32_t limitUnit;
    uint8_t enabledStateLocked;
    uint8_t enabled;
    uint8_t intervalValueLocked;
    int32_t interval;
    uint8_t limitValueLocked;
    int32_t limit; /* mW where the unit is power */
} zes_power_limit_ext_desc_t;

#define ZES_POWER_DOMAIN_UNKNOWN 0
#define ZES_POWER_DOMAIN_CARD 1
#define ZES_POWER_DOMAIN_PACKAGE 2
#define ZES_POWER_DOMAIN_STACK 3
#define ZES_POWER_DOMAIN_MEMORY 4
#define ZES_POWER_DOMAIN_GPU 5

/* Behind zes_power_properties_t: what the domain holds. */
typedef struct {
    uint32_t stype;
    void *pNext;
    uint32_t domain;
    zes_power_limit_ext_desc_t *defaultLimit; /* room of the caller's, or null */
} zes_power_ext_properties_t;

typedef struct {
    uint64_t energy;    /* microjoules */
    uint64_t timestamp; /* microseconds */
} zes_power_energy_counter_t;

#define ZES_FREQ_DOMAIN_GPU 0

typedef struct {
    uint32_t stype;
    void *pNext;
    uint32_t type;
    uint8_t onSubdevice;
    uint32_t subdeviceId;
    uint8_t canControl;
    uint8_t isThrottleEventSupported;
    double min;
    double max;
} zes_freq_properties_t;

#define ZES_FREQ_THROTTLE_REASON_FLAG_AVE_PWR_CAP 0x1
#define ZES_FREQ_THROTTLE_REASON_FLAG_BURST_PWR_CAP 0x2
#define ZES_FREQ_THROTTLE_REASON_FLAG_CURRENT_LIMIT 0x4
#define ZES_FREQ_THROTTLE_REASON_FLAG_THERMAL_LIMIT 0x8
#define ZES_FREQ_THROTTLE_REASON_FLAG_PSU_ALERT 0x10
#define ZES_FREQ_THROTTLE_REASON_FLAG_SW_RANGE 0x20
#define ZES_FREQ_THROTTLE_REASON_FLAG_HW_RANGE 0x40
#define ZES_FREQ_THROTTLE_REASON_FLAG_VOLTAGE 0x80
#define ZES_FREQ_THROTTLE_REASON_FLAG_THERMAL 0x100
#define ZES_FREQ_THROTTLE_REASON_FLAG_POWER 0x200

typedef struct {
    uint32_t stype;
    const void *pNext;
    double currentVoltage;
    double request; /* MHz, as the three that follow; negative where not known */
    double tdp;
    double efficient;
    double actual;
    uint32_t throttleReasons;
} zes_freq_state_t;

#define ZES_TEMP_SENSORS_GLOBAL 0
#define ZES_TEMP_SENSORS_GPU 1

typedef struct {
    uint32_t stype;
    void *pNext;
    uint32_t type;
    uint8_t onSubdevice;
    uint32_t subdeviceId;
    double maxTemperature;
    uint8_t supported[3];
} zes_temp_properties_t;

ze_result_t zeInit(uint32_t flags);
ze_result_t zeDriverGet(uint32_t *count, zes_driver_handle_t *drivers);
ze_result_t zeDeviceGet(zes_driver_handle_t driver, uint32_t *count, zes_device_handle_t *devices);

ze_result_t zesInit(uint32_t flags);
ze_result_t zesDriverGet(uint32_t *count, zes_driver_handle_t *drivers);
ze_result_t zesDeviceGet(zes_driver_handle_t driver, uint32_t *count, zes_device_handle_t *devices);
ze_result_t zesDeviceGetProperties(zes_device_handle_t device, zes_device_properties_t *properties);
ze_result_t zesDevicePciGetProperties(zes_device_handle_t device, zes_pci_properties_t *properties);

ze_result_t zesDeviceEnumPowerDomains(zes_device_handle_t device, uint32_t *count, zes_pwr_handle_t *domains);
ze_result_t zesPowerGetProperties(zes_pwr_handle_t domain, zes_power_properties_t *properties);
ze_result_t zesPowerGetEnergyCounter(zes_pwr_handle_t domain, zes_power_energy_counter_t *counter);
ze_result_t zesPowerGetLimitsExt(zes_pwr_handle_t domain, uint32_t *count, zes_power_limit_ext_desc_t *limits);

ze_result_t zesDeviceEnumFrequencyDomains(zes_device_handle_t device, uint32_t *count, zes_freq_handle_t *domains);
ze_result_t zesFrequencyGetProperties(zes_freq_handle_t domain, zes_freq_properties_t *properties);
ze_result_t zesFrequencyGetState(zes_freq_handle_t domain, zes_freq_state_t *state);

ze_result_t zesDeviceEnumTemperatureSensors(zes_device_handle_t device, uint32_t *count, zes_temp_handle_t *sensors);
ze_result_t zesTemperatureGetProperties(zes_temp_handle_t sensor, zes_temp_properties_t *properties);
ze_result_t zesTemperatureGetState(zes_temp_handle_t sensor, double *celsius);

#endif
